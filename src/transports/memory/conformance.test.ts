/** The promises of the contract, on the memory engine. */

import { describe, test } from 'vitest';
import { runConformance } from '../../testing/run-conformance.ts';
import { memory } from './index.ts';

describe('lanes', () => {
  runConformance({
    engine: () => {
      const engine = memory();
      return { make: () => engine };
    },
    test,
  });
});
