/** What is known of facts that are kept elsewhere, between what a test lets their keeper tell. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { bench } from '../../test/support/lane-table.ts';
import type { FactFollower } from './facts.ts';
import { createKnownFacts } from './known-facts.ts';
import type { LaneTable } from './lane-table.ts';
import type { FactId } from './transport.ts';

function knowing(tables: readonly LaneTable[] = []) {
  const holding = new Set<FactId>();
  const opened: FactId[] = [];
  const asked: (readonly FactId[])[] = [];
  const again: (() => void)[] = [];
  let follower: FactFollower | null = null;
  let answers = true;
  const tell = (...facts: readonly FactId[]): void => {
    const stands = (fact: FactId) => (holding.has(fact) ? 'fulfilled' : 'revoked');
    follower!.told(facts.map((fact) => ({ fact, state: stands(fact) })));
  };
  const known = createKnownFacts({
    facts: {
      mark: async () => {},
      follow(given) {
        follower = given;
        return {
          async ask(facts) {
            asked.push(facts);
            if (!answers) throw new Error('away');
            tell(...facts);
          },
          stop() {},
        };
      },
    },
    tables: () => tables,
    opened: (fact) => void opened.push(fact),
    failed: (_, repeat) => void again.push(repeat),
  });
  return {
    known,
    holding,
    opened,
    asked,
    again,
    tell,
    missed: () => follower!.missed(),
    answer: (does: boolean) => void (answers = does),
  };
}

test('tells of a fact that opens, once, and of none that nobody here needs', async () => {
  const { known, holding, opened, tell } = knowing();
  await known.learn(['a:1', JSON.stringify(['b:1', 'b:2'])]);
  for (const fact of ['a:1', 'b:2', 'c:1']) holding.add(fact);
  tell('a:1', 'b:2', 'c:1');
  tell('a:1');

  assert.deepEqual(opened, ['a:1', 'b:2']);
  assert.deepEqual(
    ['a:1', 'b:1', 'b:2', 'c:1'].map((fact) => known.has(fact)),
    [true, false, true, false],
  );
  holding.delete('a:1');
  tell('a:1');
  assert.equal(known.has('a:1'), false);
});

test('asks anew each time, for what changed without a word', async () => {
  const { known, holding } = knowing();
  await known.learn(['a:1']);
  holding.add('a:1');
  await known.learn(['a:1']);
  assert.equal(known.has('a:1'), true);
});

test('asks for what a lane was found to lack unasked, after the step that found it', async () => {
  const { known, holding, opened, asked } = knowing();
  holding.add('a:1');
  known.lacking(['a:1']);
  known.lacking(['b:1', 'a:1']);
  assert.deepEqual(asked, []);
  await Promise.resolve();
  assert.deepEqual(asked, [['a:1', 'b:1']]);
  assert.deepEqual(opened, ['a:1']);
  known.lacking(['b:1']);
  await Promise.resolve();
  assert.equal(asked.length, 1);
});

test('asks for all it knows when it has missed something, and again when nobody answers', async () => {
  const { known, holding, opened, answer, again, missed } = knowing();
  await known.learn(['a:1']);
  holding.add('a:1');
  answer(false);
  missed();
  await new Promise(setImmediate);
  assert.equal(again.length, 1);
  answer(true);
  again[0]!();
  await new Promise(setImmediate);
  assert.deepEqual(opened, ['a:1']);
});

test('forgets what no message here needs, and keeps what one waits for', async () => {
  const at = bench();
  at.add('m', 'k', { facts: ['kept:1'] });
  const { known, holding } = knowing([at.table]);
  holding.add('kept:1');
  await known.learn(['kept:1', ...many('old', 10_000)]);
  for (const round of [1, 2, 3]) await known.learn(many(`round${round}`, 20_000));
  holding.add('old:1');

  assert.equal(known.has('kept:1'), true);
  known.lacking(['old:1']);
  await Promise.resolve();
  assert.equal(known.has('old:1'), true, 'it is asked for, as it was forgotten');
});

function many(name: string, count: number): FactId[] {
  return Array.from({ length: count }, (_, index) => `${name}:${index}`);
}
