/** A file that somebody else holds: a start waits, is told, and may be repeated. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createBus, message } from 'malote';
import { sqlite } from 'malote/sqlite';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const Note = message<{ readonly n: number }>('note');

test('a start on a locked file is told so, and once it is free the same bus starts', async () => {
  const path = join(folder, 'app.db');
  const own = { logger: false, handleSignals: false } as const;
  const before = createBus({ engine: sqlite(path), ...own });
  await before.start();
  await before.stop();
  const holder = new DatabaseSync(path);
  holder.exec('begin immediate');
  const bus = createBus({ engine: sqlite(path), lease: 200, ...own });
  const handled = new Promise<number>((resolve) => {
    bus.consume(Note, { name: 'notes' }, ({ data }) => resolve(data.n));
  });

  await assert.rejects(bus.start(), {
    code: 'ENGINE_BUSY',
    message: /transaction that is left open/,
  });
  holder.close();
  await bus.start();

  await bus.publish(Note, { n: 7 });
  assert.equal(await handled, 7);
  await bus.stop();
});
