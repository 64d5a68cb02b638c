/**
 * Dead letters on their way back, and messages that are cancelled. By primary key, by
 * `ml_dead_lane (lane, id) where lane <> 0`, and by `ml_dead_subscription`.
 */

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
  headers: string | null,
  facts: string | null,
  body: string | Uint8Array,
];

const columns = `id, subscription, lane, key, topic, message_id, reason, attempt, accepted_at,
  headers,
      facts, body`;

export const redriveTexts = {
  dead: `select ${columns} from ml_dead where id = ?` as Sql<DeadRow>,
  named: 'select id, subscription from ml_dead where message_id = ?' as Sql<
    [id: number, subscription: number]
  >,
  lastOf: `
    select id from ml_dead where subscription = ? order by id desc limit 1` as Sql<[id: number]>,
  idsOf: `
    select id from ml_dead where subscription = ? and id > ? and id <= ?
    order by id limit 0 + ?` as Sql<[id: number]>,
  // The same, with what they are judged by.
  traitsOf: `
    select d.id, d.topic, d.reason, d.key, d.died_at, f.last_name
    from ml_dead d left join ml_failure f on f.id = d.id
    where d.subscription = ? and d.id > ? and d.id <= ? order by d.id limit 0 + ?` as Sql<
    [
      id: number,
      topic: number,
      reason: string,
      key: string | null,
      diedAt: number,
      failure: string | null,
    ]
  >,
  ofLane: `
    select id, attempt, reason from ml_dead where lane = ? and lane <> 0
    order by id limit 0 + ?` as Sql<[id: number, attempt: number, reason: string]>,
  // Walks along one key of the index: once per redrive of a key.
  countOfLane: 'select count(*) from ml_dead where lane = ? and lane <> 0' as Sql<[count: number]>,
  anyOfLane: 'select 1 from ml_dead where lane = ? and lane <> 0 limit 1' as Sql<[one: number]>,
  remove: 'delete from ml_dead where id = ?' as Sql,
  // Back under the id it had; the head of a blocked lane never left.
  restore: `
    insert or ignore into ml_message (id, lane, accepted_at, attempt, mark, topic, message_id,
      headers, facts, key, named, body)
    select id, lane, accepted_at, 0, 0, topic, message_id, headers, facts, null, 1, body
    from ml_dead where id = ?` as Sql,
  startOver: `
    insert into ml_failure (id, redriven_at) values (?1, ?2)
    on conflict (id) do update set redriven_at = ?2, first_name = null, first_message = null,
      first_more = null, last_name = null, last_message = null, last_more = null` as Sql,
  moveJournal: 'update ml_journal set id = ? where id = ?' as Sql,
  removeFailure: 'delete from ml_failure where id = ?' as Sql,
} as const;
