/** Ids: their form, and that they grow. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { createIds, timeOf } from './id.ts';

test('ids are UUIDs version 7 that carry their time', () => {
  const newId = createIds(() => 0x0123456789ab);
  const id = newId();
  assert.match(id, /^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('the time of an id is read back, and of nothing else', () => {
  const now = Date.UTC(2030, 0, 1);
  assert.equal(timeOf(createIds(() => now)()), now);
  for (const other of [
    '',
    'payment 17',
    '01234567-89ab-4def-8123-456789abcdef',
    '0123456z-89ab-7def-8123-456789abcdef',
    '0123456789ab-7def-8123-456789abcdef--',
  ]) {
    assert.equal(timeOf(other), null, other);
  }
});

test('ids grow and never repeat, also when the clock steps back', () => {
  let now = Date.UTC(2030, 0, 1);
  const newId = createIds(() => now);
  let last = '';
  for (let made = 0; made < 100_000; made++) {
    if (made % 100 === 0) now += made % 300 === 0 ? -5 : 1;
    const id = newId();
    assert.ok(id > last, `${id} must come after ${last}`);
    last = id;
  }
});
