/** What holders of locks can count on when the engine or the stop comes between. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { MaloteError } from '../errors.ts';
import { countingClock } from '../../test/support/counting-clock.ts';
import { settleTurns, virtualClock } from '../testing/virtual-clock.ts';
import type { Coordination, Hold } from '../transport/coordination.ts';
import { createLocks } from './create-locks.ts';
import type { LockEvent } from './lock.ts';

const hold: Hold = { slot: { space: 'lock', key: 'nightly' }, token: 7, validUntil: 60_000 };

/** An engine of which only locks are wanted. */
function engine(given: Partial<Coordination>): Coordination {
  const refuse = async (): Promise<never> => assert.fail('not expected');
  return {
    read: refuse,
    acquire: async () => ({ kind: 'held', hold }),
    extend: refuse,
    release: async () => true,
    put: refuse,
    invalidate: refuse,
    ...given,
  };
}

function locksOn(coordination: Coordination, told: LockEvent[] = []) {
  const clock = countingClock();
  const emit = (event: LockEvent): void => void told.push(event);
  return { clock, told, locks: createLocks({ clock, open: async () => coordination, emit }) };
}

const stopped = new MaloteError('BUS_STOPPED', 'the bus was stopped');

test('a lock that arrives with the stop is nobody’s', async () => {
  let arrive = (): void => {};
  const arriving = new Promise<void>((resolve) => (arrive = resolve));
  const acquire: Coordination['acquire'] = async () => {
    await arriving;
    return { kind: 'held', hold };
  };
  const { locks, told } = locksOn(engine({ acquire }));
  const asked = locks.lock('nightly');

  locks.stop(stopped);
  arrive();

  await assert.rejects(asked, stopped);
  assert.deepEqual(told, []);
});

test('a release that the engine did not answer may be repeated', async () => {
  const busy = new MaloteError('ENGINE_BUSY', 'busy');
  let calls = 0;
  const release: Coordination['release'] = async () => {
    calls += 1;
    if (calls === 1) throw busy;
    return true;
  };
  const { locks } = locksOn(engine({ release }));
  const held = await locks.lock('nightly');

  await assert.rejects(held.release(), busy);

  assert.deepEqual(await Promise.all([held.release(), held.release()]), [true, true]);
  assert.equal(await held.release(), true);
  assert.equal(calls, 2);
});

test('an engine that fails for a moment is asked again, and the lock is kept', async () => {
  let calls = 0;
  const extend: Coordination['extend'] = async () => {
    calls += 1;
    if (calls % 2 === 1) throw new MaloteError('ENGINE_BUSY', 'busy');
    return true;
  };
  const { locks, clock } = locksOn(engine({ extend }));
  const held = await locks.lock('nightly', { ttl: '60s' });

  await clock.advance('5m');

  assert.equal(held.signal.aborted, false);
  assert.ok(calls >= 10);
});

test('an engine that never answers again costs the lock when its lease is over', async () => {
  const { locks, clock, told } = locksOn(engine({ extend: () => new Promise(() => {}) }));
  const held = await locks.lock('nightly', { ttl: '60s' });

  await clock.advance('59s');
  assert.equal(held.signal.aborted, false);
  await clock.advance('2s');

  assert.equal((held.signal.reason as MaloteError).code, 'LOCK_LOST');
  assert.deepEqual(told.at(-1), { kind: 'lock-lost', lock: 'nightly', token: 7 });
});

test('what counts is when the engine was asked, not when it answered', async () => {
  let answer: (wasValid: boolean) => void = () => assert.fail();
  const extend: Coordination['extend'] = () => new Promise((resolve) => (answer = resolve));
  const { locks, clock } = locksOn(engine({ extend }));
  const held = await locks.lock('nightly', { ttl: '60s' });
  await clock.advance('50s');
  answer(true);
  await settleTurns();

  await clock.advance('29s');
  assert.equal(held.signal.aborted, false);
  await clock.advance('2s');

  assert.equal(held.signal.aborted, true, 'it was asked after 20 s, for 60 s');
});

test('a holder that stood still for its whole lease does not ask for more', async () => {
  const extend = async (): Promise<never> => assert.fail('asked too late');
  const clock = virtualClock();
  let stoodMs = 0;
  const standing = { ...clock, monotonic: () => clock.monotonic() + stoodMs };
  const open = async (): Promise<Coordination> => engine({ extend });
  const locks = createLocks({ clock: standing, open, emit: () => undefined });
  const held = await locks.lock('nightly', { ttl: '60s' });

  stoodMs = 60_000;
  await clock.advance('20s');

  assert.equal((held.signal.reason as MaloteError).code, 'LOCK_LOST');
});

test('a lock that is given back leaves nothing that would keep its process', async () => {
  const { locks, clock } = locksOn(engine({}));
  const held = await locks.lock('nightly');
  assert.ok(clock.armed() > 0);

  await held.release();

  assert.equal(clock.armed(), 0);
});
