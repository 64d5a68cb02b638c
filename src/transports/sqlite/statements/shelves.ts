/**
 * Where messages are that no lane holds yet: delayed (`ml_later`), without a subscription
 * (`ml_kept`), and the memory of those that named something to be recognised by (`ml_dedupe`).
 *
 * Indexes: `ml_later_due (due_at)`, `ml_kept_topic (topic, id)`, `ml_dedupe_key (key, topic)`; the
 * dedupe rows that are over first have the lowest numbers.
 */

import type { Sql } from './sql.ts';

export const shelfTexts = {
  addLater: `
    insert into ml_later (id, subscription, due_at, accepted_at, topic, message_id, headers, facts,
      key, body)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)` as Sql,
  due: `
    select id, subscription, accepted_at, topic, message_id, headers, facts, key, body
    from ml_later where due_at <= ? order by due_at, id limit 0 + ?` as Sql<
    [
      id: number,
      subscription: number,
      acceptedAt: number,
      topic: number,
      messageId: string,
      headers: string | null,
      facts: string | null,
      key: string | null,
      body: string | Uint8Array,
    ]
  >,
  nextDue: 'select due_at from ml_later order by due_at limit 1' as Sql<[dueAt: number]>,
  removeLater: 'delete from ml_later where id = ?' as Sql,

  addKept: `
    insert into ml_kept (id, topic, due_at, accepted_at, message_id, headers, facts, key, body)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?)` as Sql,
  // In the order of acceptance, over all topics.
  kept: `
    select id, topic, due_at, accepted_at, message_id, headers, facts, key, body
    from ml_kept where id > ? order by id limit 0 + ?` as Sql<
    [
      id: number,
      topic: number,
      dueAt: number,
      acceptedAt: number,
      messageId: string,
      headers: string | null,
      facts: string | null,
      key: string | null,
      body: string | Uint8Array,
    ]
  >,
  anyKept: 'select 1 from ml_kept where topic = ? limit 1' as Sql<[one: number]>,
  removeKept: 'delete from ml_kept where id = ?' as Sql,

  seen: 'select number, message_id, ends_at from ml_dedupe where key = ? and topic = ?' as Sql<
    [number: number, messageId: string, endsAt: number]
  >,
  seenNamed: 'select number from ml_dedupe where message_id = ?' as Sql<[number: number]>,
  remember: `
    insert or ignore into ml_dedupe (topic, key, message_id, at, sequence, ends_at)
    values (?, ?, ?, ?, ?, ?)` as Sql,
  forget: 'delete from ml_dedupe where number = ?' as Sql,
  extend: `
    update ml_dedupe set number = (select max(number) + 1 from ml_dedupe), ends_at = ?
    where number = ?` as Sql,
  firstEnd: 'select ends_at from ml_dedupe order by number limit 1' as Sql<[endsAt: number]>,
  firstToEnd: `
    select number, topic, message_id, ends_at from ml_dedupe order by number limit 0 + ?` as Sql<
    [number: number, topic: number, messageId: string, endsAt: number]
  >,
  // Wherever a message can be that has an index by id.
  isThere: `
    select 1 from ml_message where message_id = ?1 and named = 1 and topic = ?2
    union all select 1 from ml_later where message_id = ?1 and topic = ?2
    union all select 1 from ml_kept where message_id = ?1 and topic = ?2
    union all select 1 from ml_dead where message_id = ?1 and topic = ?2
    limit 1` as Sql<[one: number]>,
  // Primary key: the end of a range, where the index by id does not reach yet.
  isNew: `
    select 1 from ml_message where id > ? and id < ? and message_id = ? and topic = ?
    limit 1` as Sql<[one: number]>,
} as const;
