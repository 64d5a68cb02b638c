/**
 * Messages: stored, read from the head of a lane or along the range of loose ones, removed.
 *
 * Indexes: the primary key (range, then sequence); `ml_message_lane (lane, id) where lane <> 0`,
 * which SQLite uses only where the predicate is repeated word by word.
 */

import { forMany, type Sql } from './sql.ts';

export const valuesPerMessage = 7;

const row = '(?, ?, ?, ?, ?, ?, ?)';
const plain = `
    insert into ml_message (id, lane, accepted_at, topic, message_id, headers, body)
    values`;

export const messageTexts = {
  add: `${plain} ${row}` as Sql,
  addMany: `${plain} ${forMany(row)}` as Sql,
  addSpecial: `
    insert into ml_message (
       id, lane, accepted_at, topic, message_id, headers, body, mark, facts, key)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)` as Sql,

  // ml_message_lane: the first rows of one lane, however long it is.
  ofLane: `
    select id, attempt, mark, accepted_at, topic, message_id, headers, facts, key, body
    from ml_message where lane = ? and lane <> 0 order by id limit 0 + ?` as Sql<
    [
      id: number,
      attempt: number,
      mark: number,
      acceptedAt: number,
      topic: number,
      messageId: string,
      headers: string | null,
      facts: string | null,
      key: string | null,
      body: string | Uint8Array,
    ]
  >,
  headOfLane: `
    select id, accepted_at, attempt, mark, message_id, facts
    from ml_message where lane = ? and lane <> 0 order by id limit 1` as Sql<
    [
      id: number,
      acceptedAt: number,
      attempt: number,
      mark: number,
      messageId: string,
      facts: string | null,
    ]
  >,
  // Bounded by the run that one lease covers.
  countUpTo: `
    select count(*) from ml_message where lane = ? and lane <> 0 and id <= ?` as Sql<
    [count: number]
  >,

  // Primary key: a walk along one range. Exceptional ones carry the number of their own lane.
  loose: `
    select id, lane, accepted_at, topic, message_id, headers, body
    from ml_message where id > ? and id < ? order by id limit 0 + ?` as Sql<
    [
      id: number,
      lane: number,
      acceptedAt: number,
      topic: number,
      messageId: string,
      headers: string | null,
      body: string | Uint8Array,
    ]
  >,
  looseBetween: `
    select id from ml_message where id between ? and ? and lane = 0` as Sql<[id: number]>,

  remove: 'delete from ml_message where id = ?' as Sql,
  removeMany: `delete from ml_message where id in (${forMany('?')})` as Sql,
  removeRange: 'delete from ml_message where id between ? and ?' as Sql,
  removeLoose: 'delete from ml_message where id between ? and ? and lane = 0' as Sql,
  removePrefix: 'delete from ml_message where lane = ? and lane <> 0 and id <= ?' as Sql,

  // Primary key: what is left of a piece of a range.
  name: 'update ml_message set named = 1 where id > ? and id <= ? and named = 0' as Sql,
  note: 'update ml_message set attempt = ?, mark = ? where id = ?' as Sql,
  facts: 'select facts from ml_message where id = ?' as Sql<[facts: string | null]>,
  setFacts: 'update ml_message set facts = ? where id = ?' as Sql,
  // A head that has to wait leaves its key.
  stepAside: 'update ml_message set lane = ?, key = null where id = ?' as Sql,
  // A loose message that is not fresh any more becomes a lane of its own.
  setAside: 'update ml_message set lane = id, attempt = ?, mark = ? where id = ?' as Sql,
} as const;
