/**
 * The receipts of subscriptions with an inbox. `ml_inbox` by its primary key; the oldest end first
 * by `ml_inbox_end`.
 */

import type { Sql } from './sql.ts';

export const inboxTexts = {
  source: 'select number from ml_inbox_source where name = ?' as Sql<[number: number]>,
  addSource: 'insert into ml_inbox_source (name) values (?) returning number' as Sql<
    [number: number]
  >,
  receipt: `
    select done, token, opens from ml_inbox
    where source = ? and message_id = ? and ends_at > ?` as Sql<
    [done: number, token: number, opens: string | null]
  >,
  announce: `
    insert into ml_inbox (source, message_id, token, done, ends_at) values (?, ?, ?, 0, ?)
    on conflict (source, message_id) do update
    set token = max(token, excluded.token), ends_at = max(ends_at, excluded.ends_at)` as Sql,
  store: `
    insert into ml_inbox (source, message_id, token, done, ends_at, opens)
    values (?, ?, ?, 1, ?, ?)
    on conflict (source, message_id) do update
    set token = excluded.token, done = 1, ends_at = excluded.ends_at,
      opens = excluded.opens` as Sql,
  oldestEnd: 'select ends_at from ml_inbox order by ends_at limit 1' as Sql<[endsAt: number]>,
  forgetEnded: `
    delete from ml_inbox where (source, message_id) in (
      select source, message_id from ml_inbox where ends_at <= ?
      order by ends_at limit 0 + ?)` as Sql,
  savepoint: 'savepoint malote_effect' as Sql,
  release: 'release malote_effect' as Sql,
  undo: 'rollback to malote_effect' as Sql,
} as const;
