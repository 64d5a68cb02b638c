/** docs/lifecycle.md says by which event each transition is told, and every event has its place. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'vitest';

const page = readFileSync('docs/lifecycle.md', 'utf8');

/** Kinds with their fields, from the page that is generated from the types. */
const kinds = new Map(
  [
    ...readFileSync('docs/views-and-events.md', 'utf8').matchAll(
      /^\| `([a-z-]+)` \| (?:debug|info|warn|error) \| ((?:[^|\\]|\\.)*) \|/gm,
    ),
  ].map(([, kind, fields]) => [kind!, fields!] as const),
);

test('every transition is told as an event, or the page says why it is not', () => {
  const [, table = ''] = /^\| Transition \|.*\n\|.*\n((?:\|.*\n)+)/m.exec(page) ?? [];
  const rows = table.trim().split('\n');
  assert.ok(rows.length > 10);

  for (const row of rows) {
    const told = row.split('|').at(-2)!.trim();
    if (/^none: .{20}/.test(told)) continue;
    const named = [...told.matchAll(/`([a-z-]+)`/g)].map((match) => match[1]!);
    assert.ok(named.length > 0, row);
    for (const kind of named) assert.ok(kinds.has(kind), `no event is called ${kind}: ${row}`);
  }
});

test('every event of messages has a place on the page', () => {
  const ofMessages = [...kinds].filter(([, fields]) => /`id`|`ids`|`messages`/.test(fields));
  assert.ok(ofMessages.length > 20);

  const absent = ofMessages.filter(([kind]) => !page.includes(`\`${kind}\``));

  assert.deepEqual(absent, []);
});
