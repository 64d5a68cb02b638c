/** What `bus.lock` promises its holder and those who wait. */
import assert from 'node:assert/strict';
import { MaloteError } from 'malote';
import { settleTurns } from 'malote/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeOf } from '../runtime/support.ts';
import { outcomes, type Processes, processes } from './support.ts';

let world: Processes;

beforeEach(() => {
  world = processes();
});
afterEach(() => world.end());

test('one holder at a time: the next has it when it is given back', async () => {
  const [one, two] = [world.start(), world.start()];
  const first = await one.lock('nightly');
  const second = two.lock('nightly', { wait: '1m' });
  const seen = outcomes([second.then(({ name }) => name)]);
  await settleTurns();
  assert.deepEqual(seen, ['open']);

  assert.equal(await first.release(), true);

  assert.equal((await second).name, 'nightly');
  assert.ok((await second).token > first.token);
  assert.equal(await first.release(), true, 'a release may be repeated');
  assert.equal(first.signal.aborted, false);
});

test('it is given back at the end of its block', async () => {
  const bus = world.start();
  {
    await using held = await bus.lock('nightly', { ttl: '30s', wait: '5s' });
    assert.equal(await codeOf(bus.lock('nightly', { wait: 0 })), 'LOCK_TIMEOUT');
    assert.ok(held.token > 0);
  }

  await using again = await bus.lock('nightly', { wait: 0 });

  assert.equal(again.signal.aborted, false);
});

test('it is kept for as long as it is held', async () => {
  const [one, two] = [world.start(), world.start()];
  const held = await one.lock('nightly', { ttl: '1s' });

  await world.clock.advance('10m');

  assert.equal(await codeOf(two.lock('nightly', { wait: 0 })), 'LOCK_TIMEOUT');
  assert.equal(held.signal.aborted, false);
  assert.equal(await held.release(), true);
});

test('of a dead process it is free after its ttl', async () => {
  const [one, two] = [world.start(), world.start()];
  await one.lock('nightly', { ttl: '3s' });
  one.abandon();
  const seen = outcomes([two.lock('nightly', { wait: '1m' }).then(({ name }) => name)]);

  await world.clock.advance('2.9s');
  assert.deepEqual(seen, ['open']);
  await world.clock.advance('1s');

  assert.deepEqual(seen, ['"nightly"']);
});

test('a holder that was too late is told, and gives nothing back', async () => {
  const bus = world.start();
  const engine = await bus.lock('nightly', { ttl: '3s' });
  await world.start().lock('other');
  const told: unknown[] = [];
  engine.signal.addEventListener('abort', () => told.push(engine.signal.reason));
  // The connection is gone: nothing extends the lock any more.
  bus.abandon();

  await world.clock.advance('3.1s');

  assert.ok(told[0] instanceof MaloteError && told[0].code === 'LOCK_LOST');
  assert.equal(await engine.release(), false);
  assert.ok(world.kinds().includes('lock-lost'));
});

test('a wait ends with a name, by its time and by its signal', async () => {
  const [one, two] = [world.start(), world.start()];
  await one.lock('nightly');
  const giving = new AbortController();
  const seen = outcomes([
    two.lock('nightly', { wait: '2s' }),
    two.lock('nightly', { wait: '1h', signal: giving.signal }),
  ]);

  await world.clock.advance('1.9s');
  assert.deepEqual(seen, ['open', 'open']);
  await world.clock.advance('0.2s');
  giving.abort(new Error('enough'));
  await settleTurns();

  assert.deepEqual(seen, ['LOCK_TIMEOUT', 'WAIT_ABORTED']);
});

test('a stop tells holders and those who wait, and gives back', async () => {
  const [one, two] = [world.start(), world.start()];
  const held = await one.lock('nightly', { ttl: '1h' });
  const waiting = outcomes([one.lock('nightly', { wait: '1h' })]);
  await settleTurns();

  await one.stop();

  assert.equal((held.signal.reason as MaloteError).code, 'BUS_STOPPED');
  await settleTurns();
  assert.deepEqual(waiting, ['BUS_STOPPED']);
  assert.equal(await held.release(), false);
  await two.lock('nightly', { wait: 0 });
});

test('options that cannot be meant are refused by name', async () => {
  const bus = world.start();

  await expect(bus.lock('nightly', { tt: '1s' } as never)).rejects.toThrow('did you mean "ttl"?');
  assert.equal(await codeOf(bus.lock('nightly', { ttl: 99 })), 'OPTION_INVALID');
  assert.equal(await codeOf(bus.lock('nightly', { wait: 'long' as never })), 'OPTION_INVALID');
  assert.equal(await codeOf(bus.lock('nightly', { signal: {} as never })), 'OPTION_INVALID');
  assert.equal(await codeOf(bus.lock('')), 'DATA_INVALID');
});
