/** Help, on a terminal as wide as most. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { commands } from './commands.ts';
import { questionOf } from './commands/redrive.ts';
import { help, narrowest } from './help.ts';

test('help fits a narrow terminal, its examples too', () => {
  const pages = [commands, ...commands.map((one) => [one])].map(help);
  const lines = pages.flatMap((page) => page.split('\n'));
  const wide = lines.filter((line) => line.length > narrowest);
  assert.deepEqual(wide, []);
});

test('an example that is wrapped is, to a shell, the command that it was', () => {
  for (const command of commands) {
    const page = help([command]).replaceAll(/ \\\n +/g, ' ');
    for (const example of command.examples) assert.ok(page.includes(`  malote ${example}\n`));
  }
});

test('one dead letter is asked about as one', () => {
  assert.equal(questionOf(1, 'of ledger'), 'send back the one dead letter of ledger?');
  assert.equal(questionOf(2_500, 'of s'), 'send back all 2,500 dead letters of s?');
});
