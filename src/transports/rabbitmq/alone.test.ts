/** Whose handler is called before the server has confirmed that it is at work. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'vitest';
import { createHolder } from '../../transport/lane-table.ts';
import { NumberMap } from '../../transport/number-map.ts';
import type { Delivery } from '../../transport/transport.ts';
import { benches, isAlone, type Bench } from './alone.ts';
import type { Handing } from './claim.ts';
import type { Consumer, Member, Source } from './hold.ts';

afterEach(() => benches.clear());

test('the only message of an idle process', () => {
  assert.ok(isAlone(benchOf({ held: 1 }), [handing({})]));
});

test('not one of two, of one consumer or of several', () => {
  const bench = benchOf({ held: 1 });
  assert.ok(!isAlone(bench, [handing({ tags: [1, 2] })]));
  assert.ok(!isAlone(bench, [handing({}), handing({})]));
});

test('not one that was tried, or has a state', () => {
  const bench = benchOf({ held: 1 });
  assert.ok(!isAlone(bench, [handing({ source: { isCareful: true } })]));
  assert.ok(!isAlone(bench, [handing({ source: { version: 1 } })]));
});

test('not one that may be begun once only', () => {
  assert.ok(!isAlone(benchOf({ held: 1 }), [handing({ hasOneAttempt: true })]));
});

test('not while another is at work, on this connection or on another of the process', () => {
  assert.ok(!isAlone(benchOf({ held: 2 }), [handing({})]));
  benches.clear();
  const bench = benchOf({ held: 1 });
  benchOf({ held: 1, process: 'another process' });
  assert.ok(isAlone(bench, [handing({})]));
  benchOf({ held: 1 });
  assert.ok(!isAlone(bench, [handing({})]));
});

test('not while something is on its way to the server, from anywhere in the process', () => {
  assert.ok(!isAlone(benchOf({ held: 1, isAtRest: false }), [handing({})]));
  benches.clear();
  const bench = benchOf({ held: 1 });
  benchOf({ held: 0, isAtRest: false });
  assert.ok(!isAlone(bench, [handing({})]));
});

interface Given {
  readonly held: number;
  readonly process?: string;
  readonly isAtRest?: boolean;
}

function benchOf({ held, process = 'this process', isAtRest = true }: Given): Bench {
  const holder = createHolder();
  holder.held = held;
  const bench: Bench = { process, holder, isAtRest: () => isAtRest };
  benches.add(bench);
  return bench;
}

interface Handed {
  readonly tags?: readonly number[];
  readonly source?: Partial<Source>;
  readonly hasOneAttempt?: boolean;
}

function handing({ tags = [1], source = {}, hasOneAttempt = false }: Handed): Handing {
  const sources = new NumberMap<Source>();
  for (const tag of tags) sources.set(tag, { version: 0, isCareful: false, ...source } as Source);
  return {
    member: { sources } as unknown as Member,
    hold: {} as Handing['hold'],
    consumer: { hasOneAttempt } as Consumer,
    batch: tags.map((tag) => ({ tag }) as Delivery),
  };
}
