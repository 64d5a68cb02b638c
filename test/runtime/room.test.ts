/** Who waits for room in a full subscription keeps its place, on each engine. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createBus, type Engine, message } from 'malote';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';
import { describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';

const orderBy = (): string => 'k';
const Odd = message<{ n: number }>('odd', { orderBy });
const Even = message<{ n: number }>('even', { orderBy });
/** More than an engine works off in one turn. */
const count = 2_500;
const folder = temporaryFolder();
let files = 0;
const engines: readonly (readonly [string, () => Engine])[] = [
  ['memory', () => memory()],
  ['memory, partitions', () => memory({ shape: 'partitions' })],
  ['sqlite', () => sqlite(join(folder, `${files++}.db`))],
];

describe.each(engines)('%s', (_name, engine) => {
  test.each([
    ['in one turn', count],
    ['over many turns', 3],
  ])('publishes of one key, %s, are accepted in the order of the calls', async (_how, perTurn) => {
    const bus = createBus({ engine: engine(), handleSignals: false, logger: false });
    const seen: number[] = [];
    const handled = new Promise<void>((resolve) => {
      bus.consume([Odd, Even], { name: 'all', maxDepth: 5 }, ({ data }) => {
        if (seen.push(data.n) === count) resolve();
      });
    });
    await bus.start();

    const calls: Promise<unknown>[] = [];
    for (let n = 1; n <= count; n++) {
      calls.push(bus.publish(n % 2 === 1 ? Odd : Even, { n }, { wait: '1m' }));
      if (n % perTurn === 0) await nextTurn();
    }
    await Promise.all([...calls, handled]);

    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
    await bus.stop();
  });
});
