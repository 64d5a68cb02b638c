/**
 * Dead letters, and the story of a message: its failures and its journal. None of these is written
 * for a message that goes well. By primary key, but for the lanes of diverted keys
 * (`ml_dead_lane`).
 */

import type { Sql } from './sql.ts';

export const deadTexts = {
  bury: `
    insert into ml_dead (id, subscription, lane, key, topic, message_id, reason, attempt,
      accepted_at, died_at, headers, facts, body)
    select id, ?2, ?3, ?4, topic, message_id, ?5, ?6, accepted_at, ?7, headers, facts, body
    from ml_message where id = ?1` as Sql,
  // A message that meets a diverted key.
  addDiverted: `
    insert into ml_dead (id, subscription, lane, key, topic, message_id, reason, attempt,
      accepted_at, died_at, headers, facts, body)
    values (?, ?, ?, ?, ?, ?, 'diverted', 0, ?, ?, ?, ?, ?)` as Sql,
  fail: `
    insert into ml_failure (id, first_name, first_message, first_more,
      last_name, last_message, last_more)
    values (?1, ?2, ?3, ?4, ?2, ?3, ?4)
    on conflict (id) do update set
      first_more = iif(first_name is null, ?4, first_more),
      first_name = coalesce(first_name, ?2), first_message = coalesce(first_message, ?3),
      last_name = ?2, last_message = ?3, last_more = ?4` as Sql,
  redrivenAt: 'select redriven_at from ml_failure where id = ?' as Sql<[redrivenAt: number | null]>,
  removeFailure: 'delete from ml_failure where id = ?' as Sql,
  lastEntry: `
    select number, (select count(*) from ml_journal where id = ?1)
    from ml_journal where id = ?1 order by number desc limit 1` as Sql<
    [number: number, count: number]
  >,
  addEntry: `
    insert into ml_journal (id, number, at, event, attempt, detail)
    values (?, ?, ?, ?, ?, ?)` as Sql,
  removeEntriesUpTo: 'delete from ml_journal where id = ? and number <= ?' as Sql,
  removeEntries: 'delete from ml_journal where id = ?' as Sql,
} as const;
