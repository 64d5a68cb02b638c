/** The traffic generator's plan, its ledger check and what it waits for, without a process. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createBus } from 'malote';
import { sqlite } from 'malote/sqlite';
import { describe, test } from 'vitest';
import { CustomerRegistered } from '../../examples/payments/messages.ts';
import { crm } from '../../examples/payments/status.ts';
import { countLeft } from '../../examples/payments/traffic/books.ts';
import {
  allowedCalls,
  type Books,
  checkConduct,
  checkLedger,
  type Entry,
} from '../../examples/payments/traffic/check.ts';
import { type Fate, planTraffic } from '../../examples/payments/traffic/plan.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();

test('a run waits for its own subscriptions, not for what others left in the engine', async () => {
  const [engine, store] = ['malote.db', 'store.db'].map((name) => sqlite(join(folder, name)));
  const options = { engine: engine!, store: store!, logger: false, handleSignals: false } as const;
  await using left = createBus(options);
  left.consume(CustomerRegistered, { name: 'others' }, () => {});
  left.consume(CustomerRegistered, { name: crm }, () => {});
  await left.start();
  await left.stop();
  await using bus = createBus({ ...options, relay: false });

  await bus.publish(CustomerRegistered, { customerId: '5', email: 'a@b.org', name: 'Ana' });

  assert.equal(await countLeft(bus), 1);
});

describe('the check notices', () => {
  const entries = (...ids: readonly string[]): Entry[] =>
    ids.map((id) => ({ id, customerId: `customer of ${id[0]}` }));
  const fates: Record<string, Fate> = { x: 'declined', y: 'poison', z: 'orphan' };
  const right: Books = {
    accepted: ['a1', 'a2', 'b1', 'x', 'y', 'z'].map((id) => ({ id, fate: fates[id] ?? 'sound' })),
    payments: entries('a1', 'b1', 'a2', 'x', 'y', 'z'),
    bookings: entries('b1', 'a1', 'a2'),
    dead: [
      { id: 'x', reason: 'gave-up' },
      { id: 'y', reason: 'attempts-exhausted' },
      { id: 'z', reason: 'dependency-timeout' },
    ],
  };
  const found = (change: Partial<Books>): Record<string, readonly string[]> =>
    Object.fromEntries(checkLedger({ ...right, ...change }).map(({ what, ids }) => [what, ids]));
  const died = (id: string, reason: string): Books['dead'] => [
    ...right.dead.filter((one) => one.id !== id),
    { id, reason },
  ];

  test('nothing where all is well, also where a customer came too late', () => {
    assert.deepEqual(found({}), {});
    const late = { bookings: entries('a1', 'a2'), dead: died('b1', 'dependency-timeout') };
    assert.deepEqual(found(late), {});
  });

  test('what is lost, by its id', () => {
    assert.deepEqual(found({ bookings: entries('b1', 'a1') }), { lost: ['a2'] });
    assert.deepEqual(found({ dead: right.dead.slice(1) }), { lost: ['x'] });
  });

  test('rows that were not accepted, and payments without a row', () => {
    assert.deepEqual(found({ accepted: right.accepted.slice(1) }), {
      'stored, and never accepted': ['a1'],
    });
    assert.deepEqual(found({ payments: right.payments.slice(1) }), {
      'accepted, and not stored': ['a1'],
      'booked without a payment': ['a1'],
    });
  });

  test('what is booked twice, out of order, or dead besides', () => {
    const bookings = entries('b1', 'a1', 'a2', 'a2');
    assert.deepEqual(found({ bookings }), { 'booked twice': ['a2'] });
    assert.deepEqual(found({ bookings: entries('a2', 'b1', 'a1') }), {
      'booked out of order': ['a1'],
    });
    assert.deepEqual(found({ dead: died('a1', 'dependency-timeout') }), {
      'booked and dead': ['a1'],
    });
  });

  test('what is booked although its card said no, or dead although it said yes', () => {
    assert.deepEqual(found({ bookings: entries('b1', 'a1', 'a2', 'x') }), {
      'booked and dead': ['x'],
      'booked against the card': ['x'],
    });
    const crashed = { bookings: entries('b1', 'a1'), dead: died('a2', 'crashed') };
    assert.deepEqual(found(crashed), { 'dead for no reason of its own': ['a2'] });
    assert.deepEqual(found({ dead: died('x', 'attempts-exhausted') }), {
      'dead for no reason of its own': ['x'],
    });
  });
});

describe('the conduct of the processes', () => {
  const course = { seconds: 24.9, ttlSeconds: 5, killed: [] };

  test('rates may be asked for once per time to live, and for every worker that was killed', () => {
    assert.equal(allowedCalls({ ...course, seconds: 0.1 }), 1);
    assert.equal(allowedCalls(course), 5);
    assert.equal(allowedCalls({ ...course, seconds: 25 }), 6);
    assert.equal(allowedCalls({ ...course, killed: ['worker-1', 'relay-1'] }), 6);
  });

  test('as many calls as are allowed are well, one more is named', () => {
    assert.deepEqual(checkConduct({ succeeded: 6, allowed: 6 }, []), []);
    assert.deepEqual(checkConduct({ succeeded: 7, allowed: 6 }, []), [
      { what: 'rates asked too often', ids: ['7 calls, not 6'] },
    ]);
  });

  test('who did not end well is named', () => {
    assert.deepEqual(checkConduct({ succeeded: 1, allowed: 1 }, ['relay-2', 'app']), [
      { what: 'processes that did not end well', ids: ['relay-2', 'app'] },
    ]);
  });
});

describe('the plan', () => {
  const plan = planTraffic({ payments: 5_000, seed: 7, run: 't' });
  const payments = plan.steps.filter((step) => step.kind === 'payment');

  test('is the same for the same seed, and another for another', () => {
    assert.deepEqual(planTraffic({ payments: 5_000, seed: 7, run: 't' }), plan);
    assert.notDeepEqual(planTraffic({ payments: 5_000, seed: 8, run: 't' }), plan);
  });

  test('has a third of the payments before their customer, as counted from its steps', () => {
    const known = new Set<string>();
    let early = 0;
    for (const { kind, body } of plan.steps) {
      if (kind === 'customer') known.add(body.id);
      else if (!known.has(body.customerId)) early += 1;
    }

    assert.equal(early, plan.early);
    assert.equal(early, 1_666);
    assert.equal(payments.length, 5_000);
    assert.equal(new Set(payments.map(({ body }) => body.id)).size, 5_000);
  });

  test('has orphans, hot customers, requests sent twice, and every kind of card', () => {
    const count = (fits: (step: (typeof payments)[number]) => boolean): number =>
      payments.filter(fits).length;
    const perCustomer = new Map<string, number>();
    for (const { body } of payments) {
      perCustomer.set(body.customerId, (perCustomer.get(body.customerId) ?? 0) + 1);
    }
    const registered = plan.steps.filter(({ kind }) => kind === 'customer').length;

    assert.equal(
      count(({ fate }) => fate === 'orphan'),
      50,
    );
    assert.equal(plan.customers - registered, 10, 'customers that never come');
    assert.equal(perCustomer.size, plan.customers);
    assert.equal(Math.max(...perCustomer.values()), 400);
    assert.equal(
      count(({ isRepeated }) => isRepeated),
      plan.repeated,
    );
    assert.ok(plan.repeated > 150 && plan.repeated < 350);
    for (const [fate, least] of [
      ['declined', 90],
      ['flaky', 90],
      ['poison', 9],
    ] as const) {
      assert.ok(count((step) => step.fate === fate) >= least, fate);
    }
  });

  test.each([1, 2, 3, 40])('of %i payments has as many', (number) => {
    const small = planTraffic({ payments: number, seed: 1, run: 't' });
    assert.equal(small.payments, number);
  });
});
