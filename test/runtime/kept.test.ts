/** Messages of a type that nobody subscribes to are kept, and somebody is told. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createBus, type Engine, message } from 'malote';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const Known = message<object>('known');
const Misspelt = message<object>('misspelt');
const engines: readonly (readonly [string, () => Engine])[] = [
  ['memory, lanes', () => memory()],
  ['memory, partitions', () => memory({ shape: 'partitions' })],
  ['sqlite', () => sqlite(join(folder, 'kept.db'))],
];

test.each(engines)('one warning per type, and none where somebody listens: %s', async (_, make) => {
  const warned: (readonly [object, string])[] = [];
  const ignore = (): void => {};
  const warn = (fields: object, sentence: string): void => void warned.push([fields, sentence]);
  const logger = { debug: ignore, info: ignore, warn, error: warn };
  const bus = createBus({ engine: make(), logger, handleSignals: false });
  await bus.subscribe('knower', Known);

  await bus.publish(Known, {});
  const { id } = await bus.publish(Misspelt, {});
  await bus.publishMany(Misspelt, [{}, {}]);

  assert.equal(warned.length, 1);
  const [[fields, sentence] = []] = warned;
  assert.deepEqual(fields, { id, type: 'misspelt' });
  assert.match(sentence ?? '', /no subscription/);
  await bus.stop();
});

test('what is absent may be said to be undefined', async () => {
  const bus = createBus({ engine: memory(), handleSignals: false, logger: false });
  const given: { readonly id: string | undefined; readonly signal: AbortSignal | undefined } = {
    id: undefined,
    signal: undefined,
  };

  const { id } = await bus.publish(Known, {}, { ...given, headers: undefined, delay: undefined });

  assert.match(id, /./);
  await bus.stop();
});
