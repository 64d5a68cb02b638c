/**
 * Looking: by message id (`ml_message_name` and its sisters), page by page (`ml_dead_subscription`,
 * primary keys, `ml_lane_rare`, the primary key of `ml_wait`). None of it counts or sorts.
 */

import type { JournalEntry } from '../../../transport/store.ts';
import type { Sql } from './sql.ts';

type DeadRow = [
  id: number,
  subscription: number,
  lane: number,
  key: string | null,
  topic: number,
  messageId: string,
  reason: string,
  attempt: number,
  acceptedAt: number,
  diedAt: number,
  headers: string | null,
  facts: string | null,
  body: string | Uint8Array,
  firstName: string | null,
  firstMessage: string | null,
  firstMore: string | null,
  lastName: string | null,
  lastMessage: string | null,
  lastMore: string | null,
];

const deadRow = `
    select d.id, d.subscription, d.lane, d.key, d.topic, d.message_id, d.reason, d.attempt,
      d.accepted_at, d.died_at, d.headers, d.facts, d.body, f.first_name, f.first_message,
      f.first_more, f.last_name, f.last_message, f.last_more
    from ml_dead d left join ml_failure f on f.id = d.id`;

type WaitingRow = [
  lane: number,
  subscription: number,
  name: string | null,
  readyAt: number,
  topic: number,
  messageId: string,
  acceptedAt: number,
  key: string | null,
];

const waitingHead = `
    select l.lane, l.subscription, l.name, l.ready_at, m.topic, m.message_id, m.accepted_at, m.key
    from`;
/** The head of a lane, by ml_message_lane. */
const head = `
    join ml_message m on m.id =
      (select id from ml_message where lane = l.lane and lane <> 0 order by id limit 1)`;

type MessageRow = [
  id: number,
  lane: number,
  acceptedAt: number,
  attempt: number,
  mark: number,
  topic: number,
  key: string | null,
];

const message = `
    select id, lane, accepted_at, attempt, mark, topic, key from ml_message`;

export const viewTexts = {
  messages: `${message} where message_id = ? and named = 1 order by id` as Sql<MessageRow>,
  // The end of a range, which is too new to be in the index.
  newMessages: `${message}
    where id > ? and id < ? and message_id = ? and named = 0 order by id` as Sql<MessageRow>,
  later: `
    select id, subscription, due_at, accepted_at, topic, key
    from ml_later where message_id = ? order by id` as Sql<
    [
      id: number,
      subscription: number,
      dueAt: number,
      acceptedAt: number,
      topic: number,
      key: string | null,
    ]
  >,
  kept: `
    select id, due_at, accepted_at, topic, key
    from ml_kept where message_id = ? order by id` as Sql<
    [id: number, dueAt: number, acceptedAt: number, topic: number, key: string | null]
  >,
  seen: `
    select number, topic, at, sequence, cancelled from ml_dedupe where message_id = ?
    order by number limit 1` as Sql<
    [number: number, topic: number, at: number, sequence: number, cancelled: string | null]
  >,
  setCancelled: 'update ml_dedupe set cancelled = ? where message_id = ?' as Sql,
  // As many rows as there are transactions under way.
  leaseOver: `
    select 1 from ml_lease where lanes is null and lo <= ?1 and hi >= ?1` as Sql<[one: number]>,
  journal: `
    select at, event, attempt, detail from ml_journal where id = ? order by number` as Sql<
    [at: number, event: JournalEntry['event'], attempt: number, detail: string | null]
  >,
  // The first of a range; a dead head that holds its key shut has its row in both tables.
  oldest: `
    select accepted_at from ml_message m
    where id > ? and id < ? and not exists (select 1 from ml_dead d where d.id = m.id)
    order by id limit 1` as Sql<[acceptedAt: number]>,
  blocked: `
    select name from ml_lane where state >= 2 and state = 3 and subscription = ?
    order by ready_at limit 100` as Sql<[name: string]>,

  dead: `${deadRow} where d.id > ? order by d.id limit 0 + ?` as Sql<DeadRow>,
  deadOf: `${deadRow}
    where d.subscription = ? and d.id > ? order by d.id limit 0 + ?` as Sql<DeadRow>,
  deadNamed: `${deadRow}
    where d.message_id = ? and d.id > ? order by d.id limit 0 + ?` as Sql<DeadRow>,
  deadNamedOf: `${deadRow}
    where d.message_id = ? and d.subscription = ? and d.id > ?
    order by d.id limit 0 + ?` as Sql<DeadRow>,

  waiting: `${waitingHead} ml_lane l ${head}
    where l.state >= 2 and l.state = 2 and (l.subscription, l.ready_at, l.lane) > (?, ?, ?)
    order by l.subscription, l.ready_at, l.lane limit 0 + ?` as Sql<WaitingRow>,
  waitingOf: `${waitingHead} ml_lane l ${head}
    where l.state >= 2 and l.state = 2 and l.subscription = ? and (l.ready_at, l.lane) > (?, ?)
    order by l.ready_at, l.lane limit 0 + ?` as Sql<WaitingRow>,
  waitingFor: `${waitingHead} ml_wait w join ml_lane l on l.lane = w.lane and l.state = 2 ${head}
    where w.fact = ? and w.lane > ? and w.lane < ? order by w.lane limit 0 + ?` as Sql<WaitingRow>,
} as const;
