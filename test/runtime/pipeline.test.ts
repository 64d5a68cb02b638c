/** The runtime's promises, shown through the public API on both shapes of engine. */
import assert from 'node:assert/strict';
import { dependency, fixed, message } from 'malote';
import { testBus } from 'malote/testing';
import { describe, test } from 'vitest';
import { z } from 'zod';
import { byHand } from './support.ts';

const customer = dependency('customer');
const Registered = message('customer.registered', {
  schema: z.object({ id: z.string() }),
  orderBy: (data) => data.id,
});
const Paid = message('payment.requested', {
  schema: z.object({ id: z.string(), customer: z.string(), amount: z.coerce.number() }),
  orderBy: (data) => data.customer,
  waitFor: (data) => customer(data.customer),
});
const Note = message<{ n: number }>('note');

describe.each(['lanes', 'partitions'] as const)('%s', (shape) => {
  test('a payment waits for its customer, whichever came first', async () => {
    const booked: string[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => {
        bus.consume(
          Registered,
          { name: 'crm', provides: (data) => customer(data.id) },
          async () => {},
        );
        bus.consume(Paid, { name: 'ledger' }, async (msg) => {
          booked.push(`${msg.data.id} ${msg.data.amount.toFixed(2)}`);
        });
      },
    });

    const early = await t.publish(Paid, { id: 'p1', customer: '5', amount: '10' });
    await t.publish(Paid, { id: 'p2', customer: '5', amount: '20' });
    await t.settle();
    assert.deepEqual(booked, []);
    assert.deepEqual(await t.waitingFor(customer('5')), [early.id]);
    const soFar = new Set(t.timeline(early).map(({ kind }) => kind));
    assert.deepEqual(soFar, new Set(['published', 'waiting']));

    await t.publish(Registered, { id: '5' });
    await t.settle();
    await t.publish(Paid, { id: 'p3', customer: '5', amount: 30 });
    await t.settle();
    assert.deepEqual(booked, ['p1 10.00', 'p2 20.00', 'p3 30.00']);
    const life = t.timeline(early).map(({ kind }) => kind);
    assert.deepEqual(life.slice(2), ['woken', 'started', 'acked']);
  });

  test('A-B-C with A failing once stays A-B-C', async () => {
    const seen: string[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => {
        const retry = { backoff: fixed('1s') };
        bus.consume(Paid, { name: 'ledger', waitFor: false, retry }, async (msg, ctx) => {
          seen.push(`${msg.data.id}#${ctx.attempt}`);
          if (msg.data.id === 'A' && ctx.attempt === 1) throw new Error('flaky');
        });
      },
    });
    for (const id of ['A', 'B', 'C']) await t.publish(Paid, { id, customer: 'k', amount: 1 });
    await t.publish(Paid, { id: 'other', customer: 'other', amount: 1 });
    await t.settle();
    assert.deepEqual(seen, ['A#1', 'other#1']);
    await t.clock.advance('1s');
    await t.settle();
    assert.deepEqual(seen, ['A#1', 'other#1', 'A#2', 'B#1', 'C#1']);
  });

  test('a slow handler with a backlog behind it leaves the other slots to other keys', async () => {
    const [gate, allOthers] = [byHand(), byHand()];
    const others = ['o1', 'o2', 'o3', 'o4', 'o5', 'o6'];
    const seen: string[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => {
        const options = { name: 'ledger', waitFor: false, concurrency: 4 } as const;
        bus.consume(Paid, options, async ({ data }) => {
          if (data.customer === 'slow') await gate.promise;
          seen.push(data.id);
          if (others.every((id) => seen.includes(id))) allOthers.resolve();
        });
      },
    });
    const backlog = Array.from({ length: 40 }, (_, index) => `s${index}`);
    const payment = (id: string, whose: string) => ({ id, customer: whose, amount: '1' });
    await t.publishMany(
      Paid,
      backlog.map((id) => payment(id, 'slow')),
    );
    await t.publishMany(
      Paid,
      others.map((id) => payment(id, id)),
    );

    await allOthers.promise;
    assert.deepEqual(seen.toSorted(), others);
    gate.resolve();
    await t.settle();
    assert.deepEqual(
      seen.filter((id) => id.startsWith('s')),
      backlog,
    );
  });

  test('a process that dies after its handler runs the message again, and no other', async () => {
    const seen: string[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => {
        bus.consume(Note, { name: 'notes' }, async (msg, ctx) => {
          seen.push(`${msg.data.n}#${ctx.attempt}`);
        });
      },
    });
    t.faults.crash('after-handler').once();
    await t.publish(Note, { n: 1 });
    await t.settle();
    await t.publish(Note, { n: 2 });
    await t.settle();
    assert.deepEqual(seen, ['1#1', '1#2', '2#1']);
    assert.deepEqual(t.faults.armed, []);
  });
});
