/** A publish that joins a transaction as the very first call of its bus. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createBus, MaloteError, message } from 'malote';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';

const type = message<{ n: number }>('joined');
const options = { handleSignals: false, logger: false } as const;

test('is stored: its own transaction does not keep the bus from connecting', async () => {
  const path = join(temporaryFolder(), 'joined.db');
  const engine = sqlite(path);
  const before = createBus({ engine, ...options });
  await before.subscribe('s', type);
  await before.stop();
  const tx = new DatabaseSync(path);

  tx.exec('begin immediate');
  await using bus = createBus({ engine, ...options });
  const { id } = await bus.publish(type, { n: 1 }, { tx });
  tx.exec('commit');

  const views = await bus.messages.get(id);
  assert.equal(views.length, 1);
  tx.close();
});

test('into a file without tables says what to do before the transaction', async () => {
  const inner = memory();
  const busy = new MaloteError('ENGINE_BUSY', 'the file is locked');
  const engine = { ...inner, open: () => Promise.reject(busy) };
  await using bus = createBus<DatabaseSync>({ engine, ...options });
  const tx = new DatabaseSync(':memory:');

  await assert.rejects(bus.publish(type, { n: 1 }, { tx }), (error: unknown) => {
    assert.ok(error instanceof MaloteError);
    assert.equal(error.code, 'ENGINE_BUSY');
    assert.match(error.message, /bus\.start\(\).*before it begins/);
    return error.cause === busy && error.id !== undefined;
  });
});
