/**
 * A broker with a store beside it, here the memory engine in its partitions shape with an SQLite
 * file: it keeps every promise of the broker with its facts in the store, and remembers ids and
 * keys with those in the store as well.
 */
import { memory } from 'malote/memory';
import { conformance, runConformance } from 'malote/testing';
import { describe, test } from 'vitest';
import { besideStore } from '../support/beside.ts';
import { asked, keyed } from '../support/beside-cases.ts';
import { seeds } from './seeds.ts';

const kinds = [
  { kept: 'facts', cases: [...conformance, ...asked] },
  { kept: 'facts and keys', cases: keyed },
] as const;

describe.each(kinds)('with $kept in the store', ({ kept, cases }) => {
  runConformance({
    engine() {
      const engine = memory({ shape: 'partitions', partitions: 3 });
      return besideStore({ make: () => engine }, kept);
    },
    cases,
    test,
    seeds,
  });
});
