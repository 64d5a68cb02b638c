/**
 * Facts and who waits for them. `ml_fact` by primary key; `ml_wait` by its primary key (fact, lane)
 * from the fact's side and by `ml_wait_lane` from the lane's.
 */

import type { Sql } from './sql.ts';

export const factTexts = {
  holds: 'select 1 from ml_fact where fact = ?' as Sql<[one: number]>,
  open: 'insert or ignore into ml_fact (fact, at) values (?, ?)' as Sql,
  close: 'delete from ml_fact where fact = ?' as Sql,
  wait: 'insert or ignore into ml_wait (fact, lane) values (?, ?)' as Sql,
  waiters: `
    select lane from ml_wait where fact = ? and lane > ? order by lane limit 0 + ?` as Sql<
    [lane: number]
  >,
  lacking: `
    select fact from ml_wait where lane = ?
      and not exists (select 1 from ml_fact where ml_fact.fact = ml_wait.fact)` as Sql<
    [fact: string]
  >,
  stopWaiting: 'delete from ml_wait where lane = ?' as Sql,
  // The lane by primary key, its head by ml_message_lane.
  waitingHead: `
    select l.subscription, m.id, m.accepted_at, m.attempt, m.mark, m.message_id
    from ml_lane l join ml_message m on m.lane = l.lane and m.lane <> 0
    where l.lane = ? and l.state = 2 order by m.id limit 1` as Sql<
    [
      subscription: number,
      id: number,
      acceptedAt: number,
      attempt: number,
      mark: number,
      messageId: string,
    ]
  >,
} as const;
