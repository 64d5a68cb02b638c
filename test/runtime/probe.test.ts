/** `dependency(name, { probe })`: facts that the application knows of and malote was never told. */
import assert from 'node:assert/strict';
import { anyOf, createBus, dependency, message } from 'malote';
import { memory } from 'malote/memory';
import { testBus } from 'malote/testing';
import { afterEach, describe, test } from 'vitest';
import { settleTurns } from '../../src/testing/virtual-clock.ts';
import { codeThrown } from './support.ts';

interface Order {
  n: number;
  who: string;
}
const customer = dependency('customer');
const guest = dependency('guest');
const Placed = message<Order>('placed', {
  orderBy: ({ who }) => who,
  waitFor: ({ who }) => (who.startsWith('g') ? anyOf(customer(who), guest(who)) : customer(who)),
});

/** Says that these are customers, and writes down who was asked for. */
function knowing(known: ReadonlySet<string>, asked: string[][] = []): string[][] {
  dependency('customer', {
    probe(ids) {
      asked.push([...ids]);
      return ids.filter((id) => known.has(id));
    },
  });
  return asked;
}

// What a dependency is asked by belongs to the process.
afterEach(() => void [dependency('customer'), dependency('guest')]);

describe.each(['lanes', 'partitions'] as const)('%s', (shape) => {
  test('who is older than malote is asked for, and marked once and for all', async () => {
    const asked = knowing(new Set(['ann', 'bob']));
    const seen: string[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => bus.consume(Placed, { name: 's' }, ({ data }) => void seen.push(data.who)),
    });

    await t.publishMany(Placed, [
      { n: 1, who: 'ann' },
      { n: 2, who: 'bob' },
      { n: 3, who: 'eve' },
    ]);
    await t.settle();
    await t.publish(Placed, { n: 4, who: 'ann' });
    await t.settle();

    assert.deepEqual(seen.toSorted(), ['ann', 'ann', 'bob']);
    assert.deepEqual(asked.flat().toSorted(), ['ann', 'bob', 'eve']);
    const opened = t.timeline().filter(({ kind }) => kind === 'fulfilled');
    assert.deepEqual(
      opened.flatMap((event) => (event.kind === 'fulfilled' ? event.facts : [])).toSorted(),
      ['customer:ann', 'customer:bob'],
    );
    await t.fulfil(customer('eve'));
    await t.settle();
    assert.equal(seen.at(-1), 'eve');
  });

  test('who comes to be elsewhere is found out within a minute, and order is kept', async () => {
    const known = new Set<string>();
    const asked = knowing(known);
    const seen: number[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => bus.consume(Placed, { name: 's' }, ({ data }) => void seen.push(data.n)),
    });
    await t.publishMany(Placed, [
      { n: 1, who: 'ann' },
      { n: 2, who: 'ann' },
    ]);
    await t.settle();
    known.add('ann');
    await t.clock.advance('59s');
    await t.settle();
    assert.deepEqual(seen, []);

    await t.clock.advance('1s');
    await t.settle();

    assert.deepEqual(seen, [1, 2]);
    assert.equal(asked.length, 2);
    await t.clock.advance('10m');
    assert.equal(asked.length, 2);
  });

  test('of several any of which will do, each is asked for', async () => {
    const asked = knowing(new Set());
    dependency('guest', { probe: (ids) => Promise.resolve(new Set(ids)) });
    const seen: number[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => bus.consume(Placed, { name: 's' }, ({ data }) => void seen.push(data.n)),
    });

    await t.publish(Placed, { n: 1, who: 'guido' });
    await t.settle();

    assert.deepEqual([asked, seen], [[['guido']], [1]]);
  });

  test('a probe that fails is told of and asked again; what it made up counts for nothing', async () => {
    let calls = 0;
    dependency('customer', {
      probe() {
        calls += 1;
        if (calls === 1) throw new RangeError('the registry is down');
        if (calls === 2) return 5 as never;
        return calls === 3 ? ['eve', 'bob'] : ['ann'];
      },
    });
    const seen: string[] = [];
    await using t = await testBus({
      shape,
      use: (bus) => bus.consume(Placed, { name: 's' }, ({ data }) => void seen.push(data.who)),
    });
    await t.publish(Placed, { n: 1, who: 'ann' });
    await t.clock.advance('3m');
    await t.settle();
    await t.publish(Placed, { n: 2, who: 'eve' });
    await t.settle();

    const failed = t.timeline().filter((event) => event.kind === 'probe-failed');
    assert.deepEqual(
      failed.map(({ dependency: name, failure }) => `${name}: ${failure.name}`),
      ['customer: RangeError', 'customer: MaloteError'],
    );
    assert.deepEqual(seen, ['ann']);
  });

  test('a probe that never answers is given up, and a stop waits for none', async () => {
    const signals: AbortSignal[] = [];
    dependency('customer', {
      probe(_ids, { signal }) {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    const t = await testBus({
      shape,
      use: (bus) => bus.consume(Placed, { name: 's' }, () => {}),
    });
    await t.publish(Placed, { n: 1, who: 'ann' });
    await settleTurns(20);
    assert.equal(signals.length, 1);
    await t.clock.advance('60s');
    await settleTurns(20);
    const failed = t.timeline().find((event) => event.kind === 'probe-failed');
    await t.stop();

    assert.equal(failed?.failure.code, 'TIMED_OUT');
    assert.deepEqual(
      signals.map(({ reason }) => (reason as { code: string }).code),
      ['TIMED_OUT', 'BUS_STOPPED'],
    );
  });
});

test('what waited before anybody could be asked is asked for when a consumer starts', async () => {
  const engine = memory();
  const before = createBus({ engine, handleSignals: false, logger: false });
  await before.subscribe('s', Placed);
  await before.publish(Placed, { n: 1, who: 'ann' });
  await before.stop();
  knowing(new Set(['ann']));

  await using after = createBus({ engine, handleSignals: false, logger: false });
  const seen = new Promise<string>((resolve) => {
    after.consume(Placed, { name: 's' }, ({ data }) => resolve(data.who));
  });
  await after.start();

  assert.equal(await seen, 'ann');
});

test('a probe that is no function, or misspelt, is refused', () => {
  assert.equal(
    codeThrown(() => dependency('x', { probe: 5 as never })),
    'OPTION_INVALID',
  );
  assert.equal(
    codeThrown(() => dependency('x', { prob: () => [] } as never)),
    'OPTION_UNKNOWN',
  );
});
