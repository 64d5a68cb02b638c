/** Subscriptions as they are registered, changed and forgotten: rare, and by small tables. */

import type { Sql } from './sql.ts';

export const subscriptionTexts = {
  numbers: 'select number from ml_subscription order by number' as Sql<[number: number]>,
  add: `
    insert into ml_subscription (number, name, ordering, on_dead, waits, waiting_deadline_ms,
      max_depth, adopts, overtakes, since, born)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)` as Sql,
  change: `
    update ml_subscription set ordering = ?, on_dead = ?, waits = ?, waiting_deadline_ms = ?,
      max_depth = ?, adopts = ?, overtakes = ?
    where number = ?` as Sql,
  addTally: 'insert into ml_tally (subscription, claimed) values (?, ?)' as Sql,
  addRoute: `
    insert into ml_route (topic, subscription, adopting) values (?, ?, ?)
    on conflict (topic, subscription) do update set adopting = max(adopting, excluded.adopting)
    ` as Sql,
  removeRoute: 'delete from ml_route where topic = ? and subscription = ?' as Sql,
  removeRoutes: 'delete from ml_route where subscription = ?' as Sql,
  // The whole of a small table, once per adoption.
  adopted: 'update ml_route set adopting = 0 where adopting = 1' as Sql,
  pause: 'update ml_subscription set paused = ? where number = ?' as Sql,
  forgetName: 'update ml_subscription set name = null where number = ?' as Sql,
  remove: 'delete from ml_subscription where number = ?' as Sql,
  removeTally: 'delete from ml_tally where subscription = ?' as Sql,

  // Ranges of primary keys, and indexes that begin with what is asked for.
  messagesIn: `
    select id, lane, mark from ml_message where id > ? and id < ? order by id limit 0 + ?` as Sql<
    [id: number, lane: number, mark: number]
  >,
  lanesIn: `
    select lane from ml_lane where lane > ? and lane < ? order by lane limit 0 + ?` as Sql<
    [lane: number]
  >,
  forgetLater: `
    delete from ml_later where id in
      (select id from ml_later where id > ? and id < ? order by id limit 0 + ?)` as Sql,
  deadIn: `
    select id from ml_dead where subscription = ? order by id limit 0 + ?` as Sql<[id: number]>,
  removeDead: 'delete from ml_dead where id = ?' as Sql,
} as const;
