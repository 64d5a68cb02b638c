/** Who is served first, where there is credit for one message only. */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { shares } from './table-claims.ts';

const turns = 240;

describe('one message at a time goes to the shared queue and to every partition in turn', () => {
  test.each([1, 2, 3, 4, 6, 8])('%i partitions', (count) => {
    const shared = { name: 'shared', isShared: true };
    const partitions = Array.from({ length: count }, (_, n) => ({
      name: `p${n}`,
      isShared: false,
    }));
    const served = new Map<string, number>();
    for (let turn = 1; turn <= turns; turn++) {
      const [first] = shares([shared, ...partitions], 1, turn);
      const { name } = first!.hold;
      served.set(name, (served.get(name) ?? 0) + 1);
    }
    assert.equal(served.get('shared'), turns / 2);
    for (const { name } of partitions) assert.equal(served.get(name), turns / 2 / count, name);
  });
});
