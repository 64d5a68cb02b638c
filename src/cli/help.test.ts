/** Help, on a terminal as wide as most. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { commands } from './commands.ts';
import { help } from './help.ts';

/** As most terminals open. */
const narrowest = 80;

test('help fits a narrow terminal, but for its examples', () => {
  const pages = [commands, ...commands.map((one) => [one])].map(help);
  const lines = pages.flatMap((page) => page.split('\n'));
  const wide = lines.filter((line) => line.length > narrowest && !line.startsWith('  malote '));
  assert.deepEqual(wide, []);
});
