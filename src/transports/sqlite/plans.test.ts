/** Every statement finds its rows by an index: the cost of a call does not grow with the file. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { migrations } from './schema.ts';
import { choreTexts } from './statements/chores.ts';
import { coordinationTexts } from './statements/coordination.ts';
import { deadTexts } from './statements/dead.ts';
import { factTexts } from './statements/facts.ts';
import { laneTexts } from './statements/lanes.ts';
import { ledgerTexts } from './statements/ledger.ts';
import { messageTexts } from './statements/messages.ts';
import { pastTexts } from './statements/past.ts';
import { redriveTexts } from './statements/redrives.ts';
import { sessionTexts } from './statements/sessions.ts';
import { shelfTexts } from './statements/shelves.ts';
import { subscriptionTexts } from './statements/subscriptions.ts';
import { viewTexts } from './statements/views.ts';

const groups = {
  choreTexts,
  coordinationTexts,
  deadTexts,
  factTexts,
  laneTexts,
  ledgerTexts,
  messageTexts,
  pastTexts,
  redriveTexts,
  sessionTexts,
  shelfTexts,
  subscriptionTexts,
  viewTexts,
};

/** Tables with a row per process, transaction under way, subscription or chore. */
const small = ['ml_session', 'ml_lease', 'ml_topic', 'ml_subscription', 'ml_route', 'ml_chore'];

/** From the beginning of an index without a condition that skips rows, and not beyond a limit. */
const walks = [
  'laneTexts.anyCold',
  'pastTexts.oldestEnd',
  'shelfTexts.nextDue',
  'shelfTexts.firstEnd',
  'shelfTexts.firstToEnd',
];

/** Over a small table alone, and what is listed in its rows. */
const overSmall = ['sessionTexts.consumers'];

const statements = Object.entries(groups).flatMap(([group, texts]) =>
  Object.entries(texts).map(([name, text]) => [`${group}.${name}`, String(text)] as const),
);

const db = new DatabaseSync(':memory:');
for (const migration of migrations) db.exec(migration);

test('there are statements to look at', () => {
  expect(statements.length).toBeGreaterThan(100);
});

test.each(statements)('%s finds its rows without a scan or a sort', (name, text) => {
  const steps = db.prepare(`explain query plan ${text}`).all(...unbound(text));

  for (const detail of steps.map((step) => String(step['detail']))) {
    assert.ok(isBounded(name, detail), detail);
  }
});

function isBounded(name: string, detail: string): boolean {
  if (overSmall.includes(name)) return true;
  if (detail.includes('TEMP B-TREE')) return false;
  if (!detail.startsWith('SCAN') || /^SCAN (\d+-ROW VALUES CLAUSE|CONSTANT ROW)$/.test(detail)) {
    return true;
  }
  return walks.includes(name) || small.some((table) => detail.startsWith(`SCAN ${table}`));
}

/** A plan does not depend on values; there must only be as many as the statement asks for. */
function unbound(text: string): null[] {
  const numbers = [...text.matchAll(/\?(\d+)/g)].map(([, number]) => Number(number));
  const count = numbers.length > 0 ? Math.max(...numbers) : (text.match(/\?/g)?.length ?? 0);
  return Array.from({ length: count }, () => null);
}
