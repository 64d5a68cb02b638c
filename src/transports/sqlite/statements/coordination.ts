/**
 * Locks and cached values. `ml_hold` by its primary key, for a session that is gone by
 * `ml_hold_owner`, and the oldest end first by `ml_hold_end`; `ml_entry` by `ml_entry_name`, and
 * the oldest end first by `ml_entry_end`, or within a space by `ml_entry_space`.
 */

import type { Sql } from './sql.ts';

export const coordinationTexts = {
  hold: 'select token, until_at from ml_hold where space = ? and name = ?' as Sql<
    [token: number, untilAt: number]
  >,
  setHold: `
    insert into ml_hold (space, name, token, owner, until_at) values (?, ?, ?, ?, ?)
    on conflict (space, name) do update
    set token = excluded.token, owner = excluded.owner, until_at = excluded.until_at` as Sql,
  extend: `
    update ml_hold set until_at = ?
    where space = ? and name = ? and token = ? and until_at > ?` as Sql,
  end: 'delete from ml_hold where space = ? and name = ? and token = ? and until_at > ?' as Sql,
  cancel: 'delete from ml_hold where space = ? and name = ?' as Sql,
  endOwned: 'delete from ml_hold where owner = ?' as Sql,
  sweepHolds: `
    delete from ml_hold where (space, name) in (
      select space, name from ml_hold where until_at <= ? order by until_at limit 0 + ?)` as Sql,

  entry: `
    select token, value, fresh_until, kept_until, failure_name, failure_message, failed_token,
      failed_until, ends_at
    from ml_entry where space = ? and name = ?` as Sql<
    [
      token: number,
      value: string | null,
      freshUntil: number,
      keptUntil: number,
      failureName: string | null,
      failureMessage: string | null,
      failedToken: number,
      failedUntil: number,
      endsAt: number,
    ]
  >,
  setEntry: `
    insert into ml_entry (space, name, token, value, fresh_until, kept_until, failure_name,
      failure_message, failed_token, failed_until, ends_at)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (space, name) do update
    set token = excluded.token, value = excluded.value, fresh_until = excluded.fresh_until,
      kept_until = excluded.kept_until, failure_name = excluded.failure_name,
      failure_message = excluded.failure_message, failed_token = excluded.failed_token,
      failed_until = excluded.failed_until, ends_at = excluded.ends_at` as Sql,
  removeEntry: 'delete from ml_entry where space = ? and name = ?' as Sql,
  sweepEntries: `
    delete from ml_entry where number in (
      select number from ml_entry where ends_at <= ? order by ends_at limit 0 + ?)
    returning space` as Sql<[space: string]>,
  evict: `
    delete from ml_entry where number in (
      select number from ml_entry where space = ? order by ends_at limit 0 + ?)` as Sql,

  entriesOf: 'select entries from ml_space where space = ?' as Sql<[entries: number]>,
  count: `
    insert into ml_space (space, entries) values (?1, max(0, ?2))
    on conflict (space) do update set entries = entries + ?2` as Sql,
} as const;
