/** Whatever a caller without a compiler hands in: malote throws its own error, or takes it. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import * as malote from 'malote';
import { memory } from 'malote/memory';
import { rabbitmq } from 'malote/rabbitmq';
import { sqlite } from 'malote/sqlite';
import { testBus } from 'malote/testing';
import { test } from 'vitest';

type Call = (odd: never, bus: malote.Bus) => unknown;

const Note = malote.message<unknown>('note');
const customer = malote.dependency('customer');
const odd: readonly unknown[] = [
  ...[undefined, null, 5, Number.NaN, '', 'x', new Date(Number.NaN)],
  ...[[], [null], {}, { name: 5 }, { at: 'x' }, () => {}],
];
let names = 0;
const newName = (): string => `n${names++}`;

/** A call with each of these options in turn. */
function each(options: string, call: (options: never, bus: malote.Bus) => unknown): Call[] {
  return options.split(' ').map((name) => (value, bus) => call({ [name]: value } as never, bus));
}

const publishing = 'id dedupe orderKey delay at headers signal wait tx';
const consuming =
  'name concurrency concurrencyByType timeout retry provides order onDead waitFor waiting ' +
  'maxDepth from replace inbox';
const making =
  'engine store relay name lease journal maxBodyBytes maxBodyDepth handleSignals logger';

const calls: readonly Call[] = [
  (value, bus) => bus.publish(value, {} as never),
  (value, bus) => bus.publish(Note, value),
  (value, bus) => bus.publish(Note, {}, value),
  ...each(publishing, (options, bus) => bus.publish(Note, {}, options)),
  (value, bus) => bus.publishMany(Note, value),
  (value, bus) => bus.publishMany(Note, [value]),
  (value, bus) => bus.publishMany(Note, [], value),
  (value, bus) => bus.consume(value, { name: newName() }, () => {}),
  (value, bus) => bus.consume(Note, value, () => {}),
  (value, bus) => bus.consume(Note, { name: newName() }, value),
  ...each(consuming, (options, bus) =>
    bus.consume(Note, { name: newName(), ...(options as object) }, () => {}),
  ),
  ...each('attempts backoff giveUpOn', (retry, bus) =>
    bus.consume(Note, { name: newName(), retry }, () => {}),
  ),
  (value, bus) => bus.subscribe(value, Note),
  (value, bus) => bus.subscribe(newName(), value),
  (value, bus) => bus.subscribe(newName(), Note, value),
  (value, bus) => bus.unsubscribe(value),
  (value, bus) => bus.fulfil(value),
  (value, bus) => bus.revoke(value),
  (value, bus) => bus.cache(newName(), value),
  ...each('load ttl stale key none errors timeout lock maxEntries', (options, bus) =>
    bus.cache(newName(), { ttl: '1s', load: () => 1, ...(options as object) }),
  ),
  async (value, bus) => await (await bus.lock(newName(), value)).release(),
  ...each('ttl wait signal', async (options, bus) => {
    await (await bus.lock(newName(), options)).release();
  }),
  (value, bus) => bus.transaction(value),
  (value, bus) => bus.messages.get(value),
  (value, bus) => bus.messages.cancel(value),
  (value, bus) => bus.dead.list(value),
  ...each('subscription cursor limit', (options, bus) => bus.dead.list(options)),
  (value, bus) => bus.dead.get(value),
  (value, bus) => bus.dead.redrive(value),
  (value, bus) => bus.waiting.list(value),
  ...each('subscription for cursor limit', (options, bus) => bus.waiting.list(options)),
  (value, bus) => bus.subscriptions.pause(value),
  (value, bus) => bus.subscriptions.resume(value),
  (value, bus) => bus.subscriptions.stats(value),
  (value, bus) => bus.outbox.dead.list(value),
  (value, bus) => bus.outbox.dead.redrive(value),
  (value) => malote.dependency(value),
  (value) => customer(value),
  (value) => malote.message(value),
  (value) => malote.message('m', value),
  ...each('schema orderBy waitFor dedupe version upcast', (options) =>
    malote.message('m', options),
  ),
  (value) => malote.exponential(value),
  ...each('max jitter factor', (options) => malote.exponential('1s', options)),
  (value) => malote.linear('1s', value),
  (value) => malote.fixed('1s', value),
  (value) => malote.createBus(value),
  ...each(making, (options) => malote.createBus({ engine: memory(), ...(options as object) })),
  (value) => memory(value),
  ...each('shape partitions', (options) => memory(options)),
  (value) => sqlite(value),
  (value) => sqlite('never-opened.db', value),
  (value) => rabbitmq(value),
  (value) => rabbitmq('amqp://localhost', value),
  async (value) => await (await testBus(value)).stop(),
];

test('an odd value meets an error of malote, or is taken', async () => {
  const bus = malote.createBus({ engine: memory(), logger: false, handleSignals: false });
  const wrong: string[] = [];

  for (const call of calls) {
    for (const value of odd) {
      try {
        await call(value as never, bus);
      } catch (error) {
        if (error instanceof malote.MaloteError) continue;
        wrong.push(`${call.toString()} with ${inspect(value)}: ${String(error)}`);
      }
    }
  }

  assert.deepEqual(wrong, []);
  await bus.stop();
});
