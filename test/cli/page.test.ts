/** docs/cli.md is what happens: its configuration, its worker and its commands, run in order. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { onTestFinished, test } from 'vitest';
import { endingOf, exitCodes } from '../../src/cli/exit-code.ts';
import { commands } from '../../src/cli/commands.ts';
import { nameOf } from '../../src/cli/command.ts';
import { MaloteError } from 'malote';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { atEighty, blocksOf, stepsOf, timeless } from '../support/walk.ts';
import { ended, entry, nodeArguments } from './project.ts';
import { hasTerminal } from './terminal.ts';

const page = readFileSync('docs/cli.md', 'utf8');
const folder = temporaryFolder();

test.runIf(hasTerminal)('the walk goes as it is shown', { timeout: 120_000 }, async () => {
  const [config = '', worker = ''] = blocksOf(page, 'ts');
  project(config, worker);
  const working = spawn(process.execPath, [...nodeArguments, 'worker.ts'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void working.kill());
  await once(working.stdout, 'data');

  for (const { line, output } of blocksOf(page, 'console').flatMap(stepsOf)) {
    // What was published is on its way: what only looks may look again.
    const tries = /^malote (publish|dead redrive)/.test(line) ? 1 : 25;
    let seen = '';
    for (let at = 0; at < tries && seen !== output; at++) seen = await shell(line);
    assert.equal(seen, output, line);
  }
});

test('it has every command and every exit code', () => {
  for (const command of commands) assert.ok(page.includes(`\`${nameOf(command)}`), nameOf(command));
  const documented = [...page.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  assert.deepEqual(documented, Object.values(exitCodes));
});

test('an error of an engine ends alike, whatever its code', () => {
  assert.equal(endingOf(new MaloteError('ENGINE_DENIED', '')), 'engine');
  assert.equal(endingOf(new MaloteError('QUEUE_FULL', '')), 'refused');
  assert.equal(endingOf(new MaloteError('INDETERMINATE', '')), 'indeterminate');
  assert.equal(endingOf(new TypeError('a mistake of ours')), 'failed');
});

/** A folder with the page's files, and a `malote` to be found on the path. */
function project(config: string, worker: string): void {
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  symlinkSync(resolve('.'), join(folder, 'node_modules/malote'), 'junction');
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  writeFileSync(join(folder, 'malote.config.ts'), config);
  writeFileSync(join(folder, 'worker.ts'), worker);
  const command = [process.execPath, ...nodeArguments, entry].map((part) => `'${part}'`).join(' ');
  const script = `#!/bin/sh\nexec ${command} "$@"\n`;
  writeFileSync(join(folder, 'node_modules/.bin/malote'), script, { mode: 0o755 });
}

async function shell(line: string): Promise<string> {
  const path = [join(folder, 'node_modules/.bin'), process.env['PATH']].join(delimiter);
  const { FORCE_COLOR: _, ...env } = process.env;
  const child = spawn('/bin/sh', ['-c', atEighty(line)], {
    cwd: folder,
    env: { ...env, PATH: path, NO_COLOR: '1', TERM: 'xterm' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { stdout, stderr } = await ended(child);
  return timeless(stdout.replaceAll('\r\n', '\n') + stderr);
}
