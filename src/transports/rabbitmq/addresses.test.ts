/** Addresses: what is refused, and that no password is shown. */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { addressesOf, addressOf, hide } from './addresses.ts';

const one = 'amqp://guest:secret@localhost/a';

describe('what is no address is refused, and its password is not shown', () => {
  test.each([
    undefined,
    '',
    [],
    [one, 'http://me:secret@localhost'],
    [one, 'amqp://guest:secret@localhost/b'],
    `${one},amqp://guest:secret@other:5673`,
    'amqp://guest:secret@one,amqp://guest:secret@two/',
    `${one} ${one}`,
    'amqp://guest:sec/secret@localhost',
    'amqp://guest:sec@secret@localhost:99999',
    'amqp:/guest:secret@localhost',
    'guest:secret@localhost/a',
    'amqp://:secret',
  ])('%j', (given) => {
    assert.throws(
      () => addressesOf(given),
      ({ message }: Error) => {
        const said = message.replaceAll('user:password', '');
        return /must be/.test(said) && (!said.includes('secret') || !String(given).includes('@'));
      },
    );
  });
});

test('an address is shown without its password', () => {
  assert.equal(hide(one), 'amqp://guest:…@localhost/a');
  assert.equal(
    hide('amqp://gu%40est:sec%2Fret@localhost:5673'),
    'amqp://gu%40est:…@localhost:5673',
  );
  assert.equal(hide('amqps://localhost/a'), 'amqps://localhost/a');
  assert.equal(hide([one, 'amqp://two']), 'amqp://guest:…@localhost/a, amqp://two');
});

test('engines with the same servers reach the same messages', () => {
  const two = 'amqps://guest:other@127.0.0.1/a';
  assert.deepEqual(addressesOf([one, two]), [one, two]);
  const named = (urls: readonly string[]): string => addressOf({ urls, namespace: 'm' });
  assert.equal(named([one, two]), 'rabbitmq:127.0.0.1:5671,localhost:5672/a#m');
  assert.equal(named([two, one]), named([one, two]));
});
