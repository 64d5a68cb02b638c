/**
 * Messages that are gone, where the journal keeps all. Kept by the walk that removes them, found by
 * `ml_past_name`, forgotten by `ml_past_end`.
 */

import type { Sql } from './sql.ts';

const into = `
    insert into ml_past (id, message_id, topic, key, attempt, accepted_at, delivered_at, ended_at,
      ends_at)`;
const acked = `${into}
    select m.id, m.message_id, m.topic,
      coalesce(m.key, (select name from ml_lane l where l.lane = m.lane)),
      m.attempt + 1, m.accepted_at, ?1, ?2, ?3
    from ml_message m`;

export const pastTexts = {
  // The same rows as removePrefix and removeLoose.
  keepPrefix: `${acked} where m.lane = ?4 and m.lane <> 0 and m.id <= ?5` as Sql,
  keepLoose: `${acked} where m.id between ?4 and ?5 and m.lane = 0` as Sql,
  add: `${into} values (?, ?, ?, ?, ?, ?, null, ?, ?)` as Sql,
  named: `
    select id, topic, key, attempt, accepted_at, delivered_at, ended_at
    from ml_past where message_id = ? and ends_at > ? order by id` as Sql<
    [
      id: number,
      topic: number,
      key: string | null,
      attempt: number,
      acceptedAt: number,
      deliveredAt: number | null,
      endedAt: number,
    ]
  >,
  oldestEnd: 'select ends_at from ml_past order by ends_at limit 1' as Sql<[endsAt: number]>,
  ended: `
    select id from ml_past where ends_at <= ? order by ends_at limit 0 + ?` as Sql<[id: number]>,
  inRange: `
    select id from ml_past where id > ? and id < ? order by id limit 0 + ?` as Sql<[id: number]>,
  remove: 'delete from ml_past where id = ?' as Sql,
} as const;
