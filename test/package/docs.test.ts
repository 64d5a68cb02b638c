/**
 * The generated pages are what their generators print.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { guarantees, guaranteesFile, render, type PromiseCase } from '../../scripts/guarantees.ts';
import { reference, referenceFile } from '../../scripts/reference.ts';
import { systemClock } from '../../src/clock.ts';
import { createLogger } from '../../src/runtime/log.ts';
import type { Transition } from '../../src/runtime/transition.ts';
import type { Capabilities } from '../../src/transport/capabilities.ts';

const strong: Capabilities = {
  delivery: 'lanes',
  lease: 'timed',
  fencing: true,
  dedupe: true,
  atomicSettle: true,
  settlesForGood: true,
  survives: 'power-loss',
  factsSurvive: 'power-loss',
  keepsFacts: true,
  processes: 'many',
  transactions: true,
  coordination: true,
  maxBodyBytes: 5_000,
  lookup: true,
  counts: 'exact',
};

test('docs/guarantees.md is up to date', () => {
  assert.equal(readFileSync(guaranteesFile, 'utf8'), guarantees(), 'renew it by: npm run docs');
});

test('docs/views-and-events.md is up to date', () => {
  assert.equal(readFileSync(referenceFile, 'utf8'), reference(), 'renew it by: npm run docs');
});

test('every event on that page says what happened, and every view has fields', () => {
  const [views = '', events = ''] = reference().split('## Events');
  const rows = [...events.matchAll(/^\| `([a-z-]+)` \|.*\|(.*)\|$/gm)];

  assert.ok(rows.length > 30);
  for (const [, kind, said] of rows) assert.ok(said?.trim() !== '', `${kind} has no comment`);
  assert.match(views, /^\| `diedAt` \| `number` \|/m);
});

test('whatever is logged without being asked for is a sentence', () => {
  const sentences: string[] = [];
  const write = (_fields: object, sentence: string): void => void sentences.push(sentence);
  const logger = createLogger(
    { debug: write, info: write, warn: write, error: write },
    systemClock,
  );
  const kinds = [...reference().matchAll(/^\| `([a-z-]+)` \| (?:info|warn|error) \|/gm)];
  assert.ok(kinds.length > 15);

  for (const [, kind] of kinds) logger.write({ kind, ids: [] } as unknown as Transition);

  assert.equal(sentences.length, kinds.length);
  for (const sentence of sentences) assert.match(sentence, / /);
});

test('an engine has a yes for a case only when it has all the case needs', () => {
  const engines = [
    { name: 'strong', capabilities: strong },
    { name: 'plain', capabilities: { ...strong, fencing: false, maxBodyBytes: 10 } },
  ];
  const cases: PromiseCase[] = [
    { id: 'both', promise: 'G1', title: 'shared', needs: { lease: 'timed' } },
    { id: 'fence', promise: 'G6', title: 'fenced', needs: { lease: 'timed', fencing: true } },
    { id: 'size', promise: 'G6', title: 'large', needs: { maxBodyBytes: 100 } },
  ];

  const page = render(engines, cases);

  assert.match(page, /^\| shared \| yes \| yes \| `both` \|$/m);
  assert.match(page, /^\| fenced \| yes \| not promised: .+ \| `fence` \|$/m);
  assert.match(page, /^\| large \| yes \| not promised: .+ \| `size` \|$/m);
  assert.match(page, /^\| `maxBodyBytes` \| .+ \| 5,000 \| 10 \|$/m);
});

test('the page holds every case once', () => {
  const page = guarantees();
  const ids = [...page.matchAll(/`([^`]+)` \|$/gm)].map((match) => match[1]);
  assert.ok(ids.length > 0);
  assert.equal(new Set(ids).size, ids.length, 'two cases have one id');
});
