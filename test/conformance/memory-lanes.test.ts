/** The memory engine in its lanes shape keeps every promise it makes. */
import { memory } from 'malote/memory';
import { runConformance } from 'malote/testing';
import { test } from 'vitest';
import { seeds } from './seeds.ts';

runConformance({
  engine() {
    const engine = memory({ shape: 'lanes' });
    return { make: () => engine };
  },
  test,
  seeds,
});
