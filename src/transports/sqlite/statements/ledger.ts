/**
 * The rows every write transaction begins and ends with: the counters of the file, who subscribes
 * to what, and the tallies of the subscriptions it touched. One row each, by primary key.
 */

import type { Sql } from './sql.ts';

export const ledgerTexts = {
  meta: 'select sequence, lease, topology, named, now, seed from ml_meta where one = 1' as Sql<
    [sequence: number, lease: number, topology: number, named: number, now: number, seed: number]
  >,
  setMeta: `
    update ml_meta set sequence = ?, lease = ?, topology = ?, named = ?, now = ?
    where one = 1` as Sql,
  tally: `
    select claimed, scheduled, ready, leased, retrying, waiting, dead, done, cancelled
    from ml_tally where subscription = ?` as Sql<
    [
      claimed: number,
      scheduled: number,
      ready: number,
      leased: number,
      retrying: number,
      waiting: number,
      dead: number,
      done: number,
      cancelled: number,
    ]
  >,
  setTally: `
    update ml_tally set claimed = ?, scheduled = ?, ready = ?, leased = ?, retrying = ?,
      waiting = ?, dead = ?, done = ?, cancelled = ?
    where subscription = ?` as Sql,
  // Small tables, read whole, only when the topology changed.
  topics: 'select number, name from ml_topic' as Sql<[number: number, name: string]>,
  addTopic: 'insert into ml_topic (name) values (?) returning number' as Sql<[number: number]>,
  subscriptions: `
    select number, name, ordering, on_dead, waits, waiting_deadline_ms, max_depth, adopts, paused,
      since, born, overtakes
    from ml_subscription where name is not null` as Sql<
    [
      number: number,
      name: string,
      ordering: 'key' | 'none',
      onDead: 'skip' | 'block' | 'divert',
      waits: number,
      waitingDeadlineMs: number,
      maxDepth: number,
      adopts: 'now' | 'kept',
      paused: number,
      since: number,
      born: number,
      overtakes: number,
    ]
  >,
  routes: 'select topic, subscription, adopting from ml_route' as Sql<
    [topic: number, subscription: number, adopting: number]
  >,
} as const;
