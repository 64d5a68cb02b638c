/** What the clerk knows of messages that were given back. */
import assert from 'node:assert/strict';
import type { ConsumeMessage } from 'amqplib';
import { test } from 'vitest';
import { createGivenBack, givenBackNote, hashIn, type GivenBack } from './given-back.ts';
import { namesOf, workHash } from './names.ts';

function kept(most = 10): { readonly givenBack: GivenBack; readonly forgotten: number[] } {
  const forgotten: number[] = [];
  const givenBack = createGivenBack({
    most,
    forgotten: ({ fields }) => void forgotten.push(fields.deliveryTag),
  });
  return { givenBack, forgotten };
}

function note(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage;
}

test('the first who asks is told, and nobody after that, nor after the death of the clerk', () => {
  const { givenBack, forgotten } = kept();
  givenBack.note(7, note(1), 0);

  assert.deepEqual([givenBack.take(8), givenBack.take(7), givenBack.take(7)], [false, true, false]);
  assert.deepEqual(forgotten, [1]);
});

test('a message that is given back again is told of once more', () => {
  const { givenBack, forgotten } = kept();
  givenBack.note(7, note(1), 0);
  givenBack.note(7, note(2), 1);

  assert.deepEqual(forgotten, [1]);
  assert.deepEqual([givenBack.take(7), givenBack.take(7)], [true, false]);
  givenBack.note(7, note(3), 2);
  assert.equal(givenBack.take(7), true);
});

test('the oldest notes are forgotten when there are too many, and when they have stood for long', () => {
  const { givenBack, forgotten } = kept(2);
  givenBack.note(1, note(1), 0);
  givenBack.note(2, note(2), 10);
  givenBack.note(1, note(3), 20);
  givenBack.note(3, note(4), 30);

  assert.deepEqual(forgotten, [1, 2]);
  givenBack.forgetUntil(20);
  assert.deepEqual(forgotten, [1, 2, 3]);
  assert.deepEqual([givenBack.take(1), givenBack.take(3)], [false, true]);
});

test('a note is read as it was written, and a ledger is none', () => {
  const hash = workHash('billing\norder.placed\nm1');
  const { key, properties } = givenBackNote(namesOf('t'), hash, 'id');

  assert.equal(key, namesOf('t').ledgers);
  assert.equal(hashIn({ properties } as unknown as ConsumeMessage), hash);
  const ledger = { properties: { headers: { session: 's', number: 1 } } };
  assert.equal(hashIn(ledger as unknown as ConsumeMessage), null);
});
