/** What is remembered of messages that were published before the file knew when to forget it. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { numbered, outgoing, sqliteBench } from '../../../test/support/sqlite-bench.ts';
import { nodeSqlite } from './driver-node.ts';
import { openFile } from './file.ts';
import { dedupeWindowMs, ordinaryLifeMs } from './repetitions.ts';
import { migrations } from './schema.ts';

test('a file of an earlier version remembers what it knew, for the rest of its time', async () => {
  const bench = sqliteBench();
  const before = migrations.findIndex((text) => text.includes('alter table ml_dedupe'));
  const { db } = openFile(bench.path, {
    driver: nodeSqlite(),
    durability: 'full',
    migrations: migrations.slice(0, before),
  });
  const spanMs = dedupeWindowMs + ordinaryLifeMs;
  const now = bench.clock.now();
  db.exec("insert into ml_topic (number, name) values (1, 'orders')");
  const add = db.prepare(`
    insert into ml_dedupe (topic, key, message_id, at, sequence) values (1, ?, ?, ?, 1)`);
  add.run('over', 'm1', now - spanMs);
  add.run('known', 'm2', now - spanMs + 1_000);
  db.close();

  const process = await bench.open();
  const drafts = numbered('again', 2).map((id, index) => ({
    id,
    dedupe: [index === 0 ? 'over' : 'known'],
  }));
  const outcomes = await process.transport.queue.publish(drafts.map(outgoing));

  assert.deepEqual(outcomes, [
    { kind: 'stored', kept: true },
    { kind: 'duplicate', id: 'm2' },
  ]);
});
