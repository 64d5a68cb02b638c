/**
 * Facts and who waits for them. `ml_fact` by primary key; `ml_wait` by its primary key (fact, lane)
 * from the fact's side and by `ml_wait_lane` from the lane's.
 */

import type { Sql } from './sql.ts';

export const factTexts = {
  holds: 'select 1 from ml_fact where fact = ?' as Sql<[one: number]>,
  open: 'insert or ignore into ml_fact (fact, at) values (?, ?)' as Sql,
  close: 'delete from ml_fact where fact = ?' as Sql,
  followed: 'insert or ignore into ml_followed (one) values (1)' as Sql,
  isFollowed: 'select one from ml_followed where one = 1' as Sql<[one: number]>,
  log: 'insert into ml_fact_change (fact, opened) values (?, ?) returning number' as Sql<
    [number: number]
  >,
  // The newest row always stays, so that numbers grow.
  cutLog: 'delete from ml_fact_change where number <= ?' as Sql,
  logEnds: `
    select coalesce((select min(number) from ml_fact_change), 0),
      coalesce((select max(number) from ml_fact_change), 0)` as Sql<[first: number, last: number]>,
  changesAfter: `
    select fact, opened from ml_fact_change where number > ? order by number limit 0 + ?` as Sql<
    [fact: string, opened: number]
  >,
  wait: 'insert or ignore into ml_wait (fact, lane) values (?, ?)' as Sql,
  waiters: `
    select lane from ml_wait where fact = ? and lane > ? order by lane limit 0 + ?` as Sql<
    [lane: number]
  >,
  stopWaiting: 'delete from ml_wait where lane = ?' as Sql,
  // The lane by primary key, its head by ml_message_lane.
  waitingHead: `
    select l.subscription, m.id, m.accepted_at, m.attempt, m.mark, m.message_id, m.facts
    from ml_lane l join ml_message m on m.lane = l.lane and m.lane <> 0
    where l.lane = ? and l.state = 2 order by m.id limit 1` as Sql<
    [
      subscription: number,
      id: number,
      acceptedAt: number,
      attempt: number,
      mark: number,
      messageId: string,
      facts: string | null,
    ]
  >,
} as const;
