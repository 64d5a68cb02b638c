/**
 * The page of benchmarks says what was measured, and nothing else.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'vitest';
import { judge } from '../../bench/aims.ts';
import { page, pageFile, resultsFile } from '../../bench/page.ts';
import { figuresOf, ratioOf, type ContestantResult, type Document } from '../../bench/results.ts';
import { full } from '../../bench/scenarios/settings.ts';
import { suiteNames, suiteOf } from '../../bench/scenarios/suites.ts';

test('docs/benchmarks.md is what the kept results print', () => {
  assert.equal(readFileSync(pageFile, 'utf8'), page(), 'renew it by: npm run bench -- page');
});

test.each(suiteNames)('%s has kept results, or the page says that it was not measured', (suite) => {
  const [, section = ''] = page().split(`\n## ${suite}\n\n`);
  const [first] = section.split('\n');

  if (existsSync(resultsFile(suite))) assert.match(first!, /^Measured on \d{4}-\d\d-\d\d: /);
  else assert.equal(first, 'Not measured yet.');
});

test.each(suiteNames)('every aim of %s can be judged from a scenario of it', (suite) => {
  const { settings, scenarios } = suiteOf(suite, full);
  const everything: Document = {
    ...{ suite, settings, date: '', quick: false, versions: {} },
    machine: { cpu: '', cores: 1, memoryGb: 1, system: '', syncP50Ms: 1, syncP99Ms: 1, load: 0 },
    scenarios: scenarios.map((scenario) => ({
      ...scenario,
      contestants: scenario.contestants.map(({ name }) => ({
        ...{ name, status: 'measured', rounds: [] },
        figures: new Proxy({}, { get: () => ({ median: 1, least: 1, most: 1 }) }),
      })),
    })),
  };

  const unjudged = judge(everything).filter(({ measured }) => measured === 'not measured');

  assert.deepEqual(unjudged, []);
});

test('a share misses its aim by points, all else by per cent of the aim', () => {
  const contestant = { status: 'measured', rounds: [] } as const;
  const document = {
    suite: 'sqlite',
    scenarios: [
      {
        ...{ name: 'blocked', title: '', columns: [], compare: 'variants' },
        contestants: [
          { ...contestant, name: 'without', figures: at(1) },
          { ...contestant, name: 'with waiting keys', figures: at(0.5) },
        ],
      },
      {
        ...{ name: 'keys', title: '', columns: [], compare: 'peers' },
        contestants: [{ ...contestant, name: 'malote', figures: at(60_000) }],
      },
    ],
  } as unknown as Document;

  const missed = judge(document).flatMap(({ verdict }) => (/missed/.test(verdict) ? verdict : []));

  assert.deepEqual(missed.toSorted(), ['missed by 25 %', 'missed by 30 points']);
});

test('a ratio is the median of those of each round: a machine twice as fast changes none', () => {
  const own = rounds('malote', [100, 220, 90]);
  const other = rounds('loop', [100, 200, 100]);

  assert.equal(ratioOf(own, other, 'perSecond'), 1);
  assert.equal(ratioOf(rounds('malote', [110, 220, 400]), other, 'perSecond'), 1.1);
  // One of them began anew, or is gone: what was measured when is not known.
  assert.equal(ratioOf(rounds('malote', [300]), other, 'perSecond'), 3);
  assert.equal(ratioOf(rounds('malote', []), other, 'perSecond'), null);
});

function rounds(name: string, rates: readonly number[]): ContestantResult {
  const measured = rates.map((perSecond) => ({ perSecond }));
  return { name, status: 'measured', rounds: measured, figures: figuresOf(measured) };
}

function at(perSecond: number): object {
  return { perSecond: { median: perSecond, least: perSecond, most: perSecond } };
}
