/**
 * The promises of the contract, on the memory engine as a broker would keep them; and what only
 * this shape can get wrong.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { conformance } from '../../testing/conformance/suite.ts';
import { runConformance } from '../../testing/run-conformance.ts';
import { partitionOf } from './broker.ts';
import { memory } from './index.ts';

/** What a process cannot promise that owns partitions and is told of the past by a flag alone. */
const notPromised: Readonly<Record<string, string>> = {
  'order-one-at-a-time': 'the owner of the partition is given the message, asked for or not',
  'lease-kept-by-living': 'the owner of the partition is given the message',
  'lease-ends-with-silence': 'the owner of the partition is given the message',
  'poison-in-a-lane': 'a process that asks for nothing keeps its partitions',
  'crash-alone-is-guilty': 'a first crash leaves no note of what was out: `alone` takes three',
  'crash-spares-what-was-done': 'a first crash leaves no note of what was out',
};

describe('conformance', () => {
  runConformance({
    engine: () => {
      const engine = memory({ shape: 'partitions' });
      return { make: () => engine };
    },
    test,
    cases: conformance.filter(({ id }) => !(id in notPromised)),
  });

  test('each exception is a case of the suite', () => {
    const known = new Set(conformance.map(({ id }) => id));
    assert.deepEqual(
      Object.keys(notPromised).filter((id) => !known.has(id)),
      [],
    );
  });
});

test('keys spread over all partitions, and a key never changes its partition', () => {
  const counts = Array.from({ length: 8 }, () => 0);
  for (let index = 0; index < 8_000; index++) {
    const partition = partitionOf(`customer-${index}`, 8);
    counts[partition] = (counts[partition] ?? 0) + 1;
  }

  assert.ok(Math.max(...counts) < 1_200 && Math.min(...counts) > 800, counts.join(' '));
  assert.deepEqual(
    ['a', 'b', 'ключ', 'customer-1'].map((key) => partitionOf(key, 8)),
    [4, 5, 4, 0],
  );
});
