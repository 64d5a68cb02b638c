/** The count of what is out decides whether a suspect may be tried alone, so it may never drift. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { createLeaseBook } from './lease-book.ts';

test('a transaction that could not begin leaves what is out as the last one left it', () => {
  const book = createLeaseBook();
  book.begin();
  book.out += 3;
  book.commit();
  book.begin();
  book.out -= 3;
  book.commit();

  book.rollback();

  assert.equal(book.out, 0);
});

test('a transaction that fails leaves what is out as it found it', () => {
  const book = createLeaseBook();
  book.begin();
  book.out += 3;
  book.commit();
  book.begin();
  book.out += 2;

  book.rollback();

  assert.equal(book.out, 3);
});

test('what was lost stays lost when the transaction that found out fails', () => {
  const book = createLeaseBook();
  book.begin();
  book.out += 3;
  book.commit();
  book.begin();
  book.clear();

  book.rollback();

  assert.equal(book.out, 0);
});
