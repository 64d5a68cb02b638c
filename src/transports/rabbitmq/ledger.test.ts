/** What a session tells the clerk is followed here as the clerk does it. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { seededRandom } from 'malote/testing';
import type { LedgerEntry } from './clerk.ts';
import type { Source } from './hold.ts';
import { createLedger } from './ledger.ts';

test('whoever follows the entries knows what is out, and is told little more than what changed', () => {
  const random = seededRandom(7);
  const ledger = createLedger(hashOf);
  const out = new Map<number, Source>();
  let list = new Set<number>();
  let told = 0;
  let changes = 0;
  let continued = 0;

  for (let number = 1; number <= 2_000; number++) {
    for (const [tag, source] of out) {
      if (random() < 0.3) putBack(source);
      if (source.entry!.lease === null) out.delete(tag);
    }
    const handed = Array.from({ length: Math.floor(random() * 40) }, (_, index) =>
      lent(number * 100 + index),
    );
    for (const source of handed) out.set(source.tag, source);

    const entry = ledger.next(handed);
    ledger.written(number);

    assert.ok(entry.after === null || entry.after === number - 1);
    continued = entry.after === null ? 0 : continued + 1;
    assert.ok(continued <= 32, 'the clerk would keep ever more of them');
    list = follow(list, entry);
    assert.deepEqual(sorted(list), sorted([...out.values()].map(hashOf)));
    assert.equal(ledger.size, out.size);
    told += entry.added.length + entry.removed.length;
    changes += handed.length;
  }
  assert.ok(told < 4 * changes, `${told} told of ${changes}`);
});

test('what was given back and is handed out again between two entries is no change', () => {
  const ledger = createLedger(hashOf);
  const [first, ...others] = [1, 2, 3, 4, 5].map(lent);
  ledger.next([first!, ...others]);
  ledger.written(1);

  putBack(first!);
  lend(first!);

  assert.deepEqual(ledger.next([first!]), { after: 1, added: [], removed: [] });
});

test('what may not have arrived is told again', () => {
  const ledger = createLedger(hashOf);
  ledger.next([1, 2, 3, 4, 5].map(lent));
  ledger.written(1);
  ledger.failed();

  assert.deepEqual(ledger.next([lent(6)]).added, [7, 14, 21, 28, 35, 42]);
});

test('what is done stays on the list until its copy has come, or nobody waits for it any more', () => {
  const ledger = createLedger(hashOf);
  const sources = [1, 2, 3, 4, 5, 6, 7, 8].map(lent);
  ledger.next(sources);
  ledger.written(1);
  for (const source of sources.slice(0, 3)) {
    putBack(source);
    source.isDone = true;
  }
  const [first, second, third] = sources;
  for (const source of [first!, second!]) source.isCopying = true;
  first!.hold.isOpen = false;

  assert.ok(ledger.isStale);
  assert.deepEqual(ledger.next([]).removed, [first!, third!].map(hashOf));
  ledger.written(2);
  assert.ok(!ledger.isStale, 'another entry would say nothing new');
  second!.isCopying = false;
  assert.ok(ledger.isStale);

  assert.deepEqual(ledger.next([]).removed, [hashOf(second!)]);
});

test('what is done before it was listed never is', () => {
  const ledger = createLedger(hashOf);
  const done = lent(1);
  putBack(done);
  done.isDone = true;

  assert.deepEqual(ledger.next([done, lent(2)]).added, [14]);
});

test('a list of one message at its first attempt accuses nobody for good', () => {
  const ledger = createLedger(hashOf);
  const [first, second] = [lent(1), lent(2)];
  assert.ok(ledger.isHarmless);
  ledger.next([first]);
  assert.ok(ledger.isHarmless);
  ledger.next([second]);
  assert.ok(!ledger.isHarmless);
  putBack(second);
  ledger.next([]);
  assert.ok(ledger.isHarmless);
  Object.assign(first, { isCareful: true });
  assert.ok(!ledger.isHarmless);
});

function hashOf({ tag }: Source): number {
  return tag * 7;
}

function lent(tag: number): Source {
  const state = { isListed: false, isDone: false, isCopying: false, isCareful: false };
  const source = {
    tag,
    hash: Number.NaN,
    ...state,
    hold: { isOpen: true },
    entry: { lease: null },
  };
  lend(source as unknown as Source);
  return source as unknown as Source;
}

function lend({ entry }: Source): void {
  entry!.lease = {} as unknown as NonNullable<typeof entry>['lease'];
}

function putBack({ entry }: Source): void {
  entry!.lease = null;
}

function follow(list: ReadonlySet<number>, { after, added, removed }: LedgerEntry): Set<number> {
  const left = after === null ? [] : [...list].filter((hash) => !removed.includes(hash));
  return new Set([...left, ...added]);
}

function sorted(hashes: Iterable<number>): number[] {
  return [...hashes].toSorted((a, b) => a - b);
}
