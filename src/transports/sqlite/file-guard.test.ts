/** A file that is deleted, moved or replaced underfoot takes nothing more: the connection ends. */
import assert from 'node:assert/strict';
import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { test } from 'vitest';
import { MaloteError } from '../../errors.ts';
import { leaseMs, outgoing, sqliteBench } from '../../../test/support/sqlite-bench.ts';

const disasters: readonly (readonly [string, (path: string) => void])[] = [
  ['deleted', (path) => rmSync(path)],
  ['moved away', (path) => renameSync(path, `${path}.old`)],
  [
    'replaced by a copy',
    (path) => {
      copyFileSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
  ],
];

test.each(disasters)(
  'a publish into a file that was %s is refused, and all after it',
  async (_, strike) => {
    const bench = sqliteBench();
    const process = await bench.open();
    await process.subscribe();
    await process.publish({ id: 'before' });
    await bench.clock.advance(1);

    strike(bench.path);
    const codes = [
      await codeOf(process.transport.queue.publish([outgoing({ id: 'm' })])),
      await codeOf(process.transport.queue.publish([outgoing({ id: 'n' })])),
      await codeOf(process.transport.store.get('m')),
    ];

    assert.deepEqual(codes, ['ENGINE_GONE', 'ENGINE_GONE', 'ENGINE_GONE']);
    assert.equal(process.failures.length, 1);
    await process.transport.close();
  },
);

test('a process that is idle notices it when its session is renewed', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();

  rmSync(bench.path);
  await bench.clock.advance(leaseMs / 3 + 100);

  assert.deepEqual(
    process.failures.map((error) => error instanceof MaloteError && error.code),
    ['ENGINE_GONE'],
  );
});

test('a look, and a publish that joins a transaction, find it out as well', async () => {
  for (const find of ['look', 'join'] as const) {
    const bench = sqliteBench();
    const process = await bench.open();
    await process.subscribe();
    const tx = bench.connect();
    tx.exec('begin');
    process.transport.join!.publish(tx, [outgoing({ id: 'before' })]);
    tx.exec('commit');
    await bench.clock.advance(1);

    rmSync(bench.path);
    tx.exec('begin');
    const join = async (): Promise<unknown> =>
      process.transport.join!.publish(tx, [outgoing({ id: 'm' })]);
    const found = await codeOf(find === 'look' ? process.transport.store.get('m') : join());
    tx.exec('rollback');
    await bench.clock.advance(1);

    assert.equal(found, 'ENGINE_GONE', find);
    assert.equal(process.failures.length, 1, find);
  }
});

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof MaloteError ? error.code : String(error);
  }
}
