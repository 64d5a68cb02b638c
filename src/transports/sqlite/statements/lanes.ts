/**
 * Lanes: found by key, claimed in the order of their heads, given back, ended.
 *
 * Indexes: `ml_lane_hot` and `ml_lane_cold` (key, subscription) for look-ups by key,
 * `ml_lane_ready` (subscription, ready_at) for claims, `ml_lane_rare` (state, subscription,
 * ready_at) for states from 2 on. Partial indexes: their predicates are repeated word by word,
 * states are literals.
 */

import { forMany, type Sql } from './sql.ts';

export const valuesPerLane = 8;

const end = 'delete from ml_lane where lane';
const ifEmpty = `
      and not exists (select 1 from ml_message m where m.lane = ml_lane.lane and m.lane <> 0)`;

const row = '(?, ?, ?, ?, 0, ?, ?, ?, ?)';
const hot = `
    insert into ml_lane (lane, subscription, key, name, cold, state, ready_at, owner, upto)
    values`;

export const laneTexts = {
  hot: `
    select lane, name from ml_lane
    where key = ? and subscription = ? and cold = 0 and key <> 0` as Sql<
    [lane: number, name: string]
  >,
  cold: `
    select lane, name, state from ml_lane
    where key = ? and subscription = ? and cold = 1 and key <> 0` as Sql<
    [lane: number, name: string, state: number]
  >,
  anyCold: 'select 1 from ml_lane where cold = 1 and key <> 0 limit 1' as Sql<[one: number]>,
  exists: 'select 1 from ml_lane where lane = ?' as Sql<[one: number]>,
  existMany: `select lane from ml_lane where lane in (${forMany('?')})` as Sql<[lane: number]>,
  byNumber: `
    select subscription, key, name, state, ready_at, owner, upto, flags
    from ml_lane where lane = ?` as Sql<
    [
      subscription: number,
      key: number,
      name: string | null,
      state: number,
      readyAt: number,
      owner: number | null,
      upto: number,
      flags: number,
    ]
  >,
  add: `
    insert into ml_lane (lane, subscription, key, name, cold, state, ready_at, owner, upto, flags)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)` as Sql,

  // Live lanes, whose head has no history.
  addHot: `${hot} ${row}` as Sql,
  addHotMany: `${hot} ${forMany(row)}` as Sql,

  // ml_lane_ready: the oldest heads first.
  ready: `
    select lane, ready_at, name, cold, flags from ml_lane
    where subscription = ? and state = 0 and ready_at <= ? order by ready_at limit 0 + ?` as Sql<
    [lane: number, readyAt: number, name: string | null, cold: number, flags: number]
  >,
  // The same index, from a point in time on.
  readyFrom: `
    select lane, ready_at, name, cold, flags from ml_lane
    where subscription = ? and state = 0 and ready_at >= ? and ready_at <= ?
    order by ready_at limit 0 + ?` as Sql<
    [lane: number, readyAt: number, name: string | null, cold: number, flags: number]
  >,
  nextReady: `
    select ready_at from ml_lane where subscription = ? and state = 0 and ready_at > ?
    order by ready_at limit 1` as Sql<[readyAt: number]>,
  // ml_lane_rare
  suspects: `
    select lane, ready_at, name, cold, flags from ml_lane
    where state >= 2 and state = 5 and subscription = ? and ready_at <= ?
    order by ready_at limit 0 + ?` as Sql<
    [lane: number, readyAt: number, name: string | null, cold: number, flags: number]
  >,
  secluded: `
    select lane, ready_at, name, cold, flags from ml_lane
    where state >= 2 and state = 6 and subscription = ? and ready_at <= ?
    order by ready_at limit 1` as Sql<
    [lane: number, readyAt: number, name: string | null, cold: number, flags: number]
  >,
  nextSuspect: `
    select ready_at from ml_lane
    where state >= 2 and state = 5 and subscription = ? and ready_at > ?
    order by ready_at limit 1` as Sql<[readyAt: number]>,
  nextSecluded: `
    select ready_at from ml_lane
    where state >= 2 and state = 6 and subscription = ? and ready_at > ?
    order by ready_at limit 1` as Sql<[readyAt: number]>,
  nextDeadline: `
    select ready_at from ml_lane where state >= 2 and state = 2 and subscription = ?
    order by ready_at limit 1` as Sql<[readyAt: number]>,
  overdue: `
    select lane from ml_lane where state >= 2 and state = 2 and subscription = ? and ready_at <= ?
    order by ready_at limit 0 + ?` as Sql<[lane: number]>,

  // The hot claim leaves `cold` alone, so that the unique indexes are not touched.
  claim: 'update ml_lane set state = 1, owner = ?, upto = ?, flags = 0 where lane = ?' as Sql,
  claimCold: `
    update ml_lane set state = 1, owner = ?, upto = ?, flags = 0, cold = 0 where lane = ?` as Sql,
  giveBack: `
    update ml_lane set state = ?, ready_at = ?, owner = null, flags = ? where lane = ?` as Sql,
  giveBackAt: `
    update ml_lane set state = ?, ready_at = ?, owner = null, flags = ?, cold = ?
    where lane = ?` as Sql,
  remove: 'delete from ml_lane where lane = ?' as Sql,
  // Primary key, then the head by ml_message_lane: whether the lane is at its end.
  end: `${end} = ? ${ifEmpty}` as Sql,
  endRange: `${end} between ? and ? ${ifEmpty}` as Sql,
  endMany: `${end} in (${forMany('?')}) ${ifEmpty}` as Sql,

  addLease: `
    insert into ml_lease (id, owner, subscription, lo, hi, lanes) values (?, ?, ?, ?, ?, ?)` as Sql,
  removeLease: 'delete from ml_lease where id = ?' as Sql,
} as const;
