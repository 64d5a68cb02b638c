/**
 * Sessions: one row per process, and what a take-over reads. `ml_session` and `ml_lease` have as
 * many rows as there are processes and transactions under way, and are read whole.
 */

import type { Sql } from './sql.ts';

export const sessionTexts = {
  alive: 'select 1 from ml_session where id = ?' as Sql<[one: number]>,
  renew: `
    insert into ml_session (id, until_at, process, beside) values (?, ?, ?, 0)
    on conflict (id) do update set until_at = excluded.until_at, beside = 0` as Sql,
  tell: 'update ml_session set consumes = ? where id = ?' as Sql,
  consumers: `
    select count(distinct process) from ml_session
    where until_at > ? and exists (select 1 from json_each(consumes) where value = ?)` as Sql<
    [processes: number]
  >,
  processOf: 'select process, beside from ml_session where id = ?' as Sql<
    [process: string, beside: number]
  >,
  besideHolds: `
    select 1 from ml_lease
    where owner in (select id from ml_session where process = ? and id <> ?)
    limit 1` as Sql<[one: number]>,
  besideDied: 'update ml_session set beside = 1 where process = ? and id <> ?' as Sql,
  remove: 'delete from ml_session where id = ?' as Sql,
  others: 'select id from ml_session where id <> ?' as Sql<[id: number]>,
  expired: 'select id from ml_session where until_at <= ? and id <> ?' as Sql<[id: number]>,
  nextEnd: 'select min(until_at) from ml_session where id <> ?' as Sql<[untilAt: number | null]>,
  leasesOf: 'select id, subscription, lo, hi, lanes from ml_lease where owner = ?' as Sql<
    [id: number, subscription: number, lo: number, hi: number, lanes: string | null]
  >,
  // Primary key of ml_lane: the lanes that one transaction opened.
  lanesBetween: `
    select lane from ml_lane where lane between ? and ? and state = 1 and owner = ?` as Sql<
    [lane: number]
  >,
  // ml_message_lane: what was out behind the head of a lane. 1 is mark.beside, 3 are mark.levels.
  suspectBehind: `
    update ml_message set mark = mark | 1
    where lane = ? and lane <> 0 and id > ? and id <= ? and mark & 3 = 0` as Sql,
  removeLeases: 'delete from ml_lease where owner = ?' as Sql,
} as const;
