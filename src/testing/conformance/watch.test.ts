/** What is watched in every case is seen when it happens. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import type { Delivery, Engine } from '../../transport/transport.ts';
import { memory } from '../../transports/memory/index.ts';
import { ack, release } from './settlements.ts';
import { startHarness } from './start-harness.ts';
import { watch } from './watch.ts';

test('a key in two hands is seen', () => {
  const seen = watch();
  seen.delivered('first', [delivery({ id: 'a', key: 'k' })]);
  seen.delivered('second', [delivery({ id: 'b', key: 'k', lease: 2 })]);

  assert.throws(() => seen.verify(), /key k of billing went to second with b while first held a/);
});

test('a message without a key in two hands is seen', () => {
  const seen = watch();
  seen.delivered('first', [delivery({ id: 'a' })]);
  seen.delivered('second', [delivery({ id: 'b', lease: 2 }), delivery({ id: 'a', lease: 3 })]);

  assert.throws(() => seen.verify(), /message a of billing went to second/);
});

test('a hand-over after an end is none of two hands', () => {
  for (const end of ['acked', 'released', 'lost', 'closing', 'silent'] as const) {
    const seen = watch();
    const a = delivery({ id: 'a', key: 'k' });
    seen.delivered('first', [a]);
    if (end === 'acked') seen.settling('first', [ack(a)]);
    if (end === 'released') seen.settling('first', [release(a)]);
    if (end === 'lost') seen.lost('first', [a.lease]);
    if (end === 'closing') seen.closing('first');
    if (end === 'silent') seen.silent('first');

    seen.delivered('second', [delivery({ id: 'b', key: 'k', lease: 2 })]);

    assert.doesNotThrow(() => seen.verify(), end);
  }
});

test('a process that closes and is given what another one holds is seen', () => {
  const seen = watch();
  seen.closing('first');
  seen.delivered('second', [delivery({ id: 'a' })]);
  seen.delivered('first', [delivery({ id: 'a', lease: 2 })]);

  assert.throws(() => seen.verify(), /message a of billing went to first with a while second held/);
});

test('what a process gives back may be delivered before it has closed', async () => {
  const engine = memory();
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => void (finish = resolve));
  const slow: Engine = {
    ...engine,
    async open(host) {
      const transport = await engine.open(host);
      return {
        ...transport,
        async close() {
          await transport.close();
          await finished;
        },
      };
    },
  };
  const harness = startHarness({ make: () => slow }, 1);
  const { connection, consumer } = await harness.start();
  await connection.publish({ id: 'a' });
  await consumer.one();
  const other = (await harness.open()).consume();
  other.grant(1);

  const closed = connection.close();
  await other.next(1);
  finish();
  await closed;

  assert.doesNotThrow(() => harness.watch.verify());
});

test('a token that does not grow is seen', () => {
  const seen = watch();
  const a = delivery({ id: 'a', key: 'k', lease: 5 });
  seen.delivered('first', [a]);
  seen.settling('first', [release(a)]);
  seen.delivered('first', [{ ...a, lease: { id: 6, token: 5 } }]);

  assert.throws(() => seen.verify(), /token of key k of billing went from 5 to 5/);
});

test('deliveries of one lease that are apart, or of other keys, are seen', () => {
  const apart = watch();
  apart.delivered('first', [
    delivery({ id: 'a', key: 'k' }),
    delivery({ id: 'x', lease: 2 }),
    delivery({ id: 'b', key: 'k' }),
  ]);
  assert.throws(() => apart.verify(), /b is apart from a/);

  const mixed = watch();
  mixed.delivered('first', [delivery({ id: 'a', key: 'k' }), delivery({ id: 'b', key: 'l' })]);
  assert.throws(() => mixed.verify(), /b and a of other keys/);
});

function delivery(given: { id: string; key?: string; lease?: number }): Delivery {
  const { id, key = null, lease = 1 } = given;
  return {
    lease: { id: lease, token: lease },
    subscription: 'billing',
    id,
    topic: 'order.placed',
    body: '',
    headers: null,
    key,
    acceptedAt: 0,
    attempt: 1,
    suspicion: 'none',
    waitTimedOut: false,
    lacking: [],
    tag: 0,
  };
}
