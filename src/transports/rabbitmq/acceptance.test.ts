/** Which ids say when a message was accepted. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { createIds } from '../../id.ts';
import { createAcceptance } from './acceptance.ts';

const now = Date.UTC(2030, 0, 1);

function idAt(ms: number): string {
  return createIds(() => ms)();
}

test('an id that was made just now says when, and says it once', () => {
  const acceptedAt = createAcceptance(now - 5_000);
  const newId = createIds(() => now - 10);
  const [first, second] = [newId(), newId()];

  assert.equal(acceptedAt({ id: first, delayMs: 0 }, now), now - 10);
  assert.equal(acceptedAt({ id: second, delayMs: 0 }, now), now - 10);
  for (const id of [first, second]) {
    assert.equal(acceptedAt({ id, delayMs: 0 }, now), now, 'it is published once more');
  }
});

test('any other id says nothing of it, nor does one of a message that is delayed', () => {
  const acceptedAt = createAcceptance(now - 500);

  for (const id of ['zzz', idAt(now - 501), idAt(now - 1_001), idAt(now + 1_001)]) {
    assert.equal(acceptedAt({ id, delayMs: 0 }, now), now, id);
  }
  assert.equal(acceptedAt({ id: idAt(now - 10), delayMs: 1 }, now), now);
  assert.equal(acceptedAt({ id: idAt(now - 10), delayMs: 0 }, now), now - 10);
});
