/** The memory engine in its partitions shape, like a broker, keeps every promise it makes. */
import { memory } from 'malote/memory';
import { runConformance } from 'malote/testing';
import { test } from 'vitest';
import { seeds } from './seeds.ts';

runConformance({
  engine() {
    const engine = memory({ shape: 'partitions', partitions: 3 });
    return { make: () => engine };
  },
  test,
  seeds,
});
