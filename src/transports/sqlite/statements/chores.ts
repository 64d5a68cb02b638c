/**
 * Chores, and the steps they are made of. `ml_chore` has a handful of rows and is read whole; every
 * step reads a bounded number of rows by primary key, `ml_message_lane`, `ml_kept_topic` or a
 * range.
 */

import type { Sql } from './sql.ts';

export const choreTexts = {
  add: `
    insert into ml_chore (kind, name, subject, position) values (?, ?, ?, ?)
    on conflict (kind, name, subject) do update set position = excluded.position` as Sql,
  known: 'select 1 from ml_chore where kind = ? and name = ? and subject = ?' as Sql<[one: number]>,
  next: `
    select number, kind, name, subject, position from ml_chore
    where number > ? order by number limit 1` as Sql<
    [number: number, kind: string, name: string, subject: number, position: number]
  >,
  advance: 'update ml_chore set position = ? where number = ?' as Sql,
  remove: 'delete from ml_chore where number = ?' as Sql,
  drop: 'delete from ml_chore where kind = ? and name = ? and subject = ?' as Sql,

  buryFollowers: `
    insert into ml_dead (id, subscription, lane, key, topic, message_id, reason, attempt,
      accepted_at, died_at, headers, facts, body)
    select id, ?2, ?1, coalesce(key, ?3), topic, message_id, 'diverted', attempt, accepted_at, ?4,
      headers, facts, body
    from ml_message where lane = ?1 and lane <> 0 order by id limit 0 + ?5` as Sql,
  followers: `
    select id, message_id from ml_message where lane = ? and lane <> 0
    order by id limit 0 + ?` as Sql<[id: number, messageId: string]>,
} as const;
