/** A map from numbers, held against the one of the language. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { test } from 'vitest';
import { NumberMap } from './number-map.ts';

const step = fc.record({
  key: fc.oneof(
    fc.integer({ min: 0, max: 40 }),
    // Far apart, and on few places.
    fc.integer({ min: 0, max: 20 }).map((number) => number * 2 ** 32 + 7),
  ),
  action: fc.constantFrom('set', 'set', 'delete', 'get'),
});

test('says what a map says, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const [map, model] = [new NumberMap<string>(), new Map<number, string>()];
      for (const [index, { key, action }] of steps.entries()) {
        if (action === 'set') {
          map.set(key, `value ${index}`);
          model.set(key, `value ${index}`);
        } else if (action === 'delete') assert.equal(map.delete(key), model.delete(key));
        assert.equal(map.get(key), model.get(key));
        assert.equal(map.has(key), model.has(key));
        assert.equal(map.size, model.size);
      }
      const inOrder = (entries: Iterable<readonly [number, string]>) =>
        [...entries].toSorted(([a], [b]) => a - b);
      assert.deepEqual(inOrder(map), inOrder(model));
      assert.deepEqual(
        [...map.keys()],
        Array.from(map, ([key]) => key),
      );
      assert.deepEqual(
        [...map.values()],
        Array.from(map, ([, value]) => value),
      );
    }),
  );
});

test('gives back the places of a crowd that has left, once it has stayed away', () => {
  const map = new NumberMap<number>();
  crowd(map, 100_000);
  const crowded = map.places;
  assert.ok(crowded >= 200_000);
  map.set(0, 0);
  for (let key = 1; key < 500_000; key++) map.set(-key, key).delete(-key);

  assert.equal(map.get(0), 0);
  assert.equal(map.places, 16);
});

test('keeps its places while crowds come and go', () => {
  const map = new NumberMap<number>();
  crowd(map, 2_000);
  const places = map.places;
  assert.ok(places >= 4_000);
  for (let turn = 0; turn < 100; turn++) {
    crowd(map, 2_000);
    assert.equal(map.places, places);
  }
});

function crowd(map: NumberMap<number>, size: number): void {
  for (let key = 0; key < size; key++) map.set(key, key);
  for (let key = 0; key < size; key++) map.delete(key);
}
