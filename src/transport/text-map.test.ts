/** A map from texts, held against the one of the language. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { test } from 'vitest';
import { TextMap } from './text-map.ts';

const step = fc.record({
  text: fc.constantFrom('', 'a', 'b', 'c', 'd', 'é', '__proto__'),
  action: fc.constantFrom('set', 'set', 'delete'),
});

test('says what a map says, in the same order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const [map, model] = [new TextMap<number>(), new Map<string, number>()];
      for (const [index, { text, action }] of steps.entries()) {
        if (action === 'delete') assert.equal(map.delete(text), model.delete(text));
        else {
          map.set(text, index);
          model.set(text, index);
        }
        assert.equal(map.get(text), model.get(text));
        assert.equal(map.has(text), model.has(text));
      }
      assert.equal(map.size, model.size);
      assert.deepEqual([...map], [...model]);
      assert.deepEqual([...map.keys()], [...model.keys()]);
      assert.deepEqual([...map.values()], [...model.values()]);
    }),
  );
});

test('goes on over what is left while some of it leaves', () => {
  const map = new TextMap<number>().set('a', 1).set('b', 2).set('c', 3);
  const seen: string[] = [];
  for (const [text] of map) {
    seen.push(text);
    map.delete('b');
  }

  assert.deepEqual(seen, ['a', 'c']);
});
