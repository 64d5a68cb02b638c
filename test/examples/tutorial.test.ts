/** docs/tutorial.md is what happens: its commands, run one after the other as they stand there. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { plainEnvironment } from './program.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { atEighty, blocksOf, stepsOf, timeless } from '../support/walk.ts';
import { hasTerminal } from '../cli/terminal.ts';

const folder = temporaryFolder();
const page = readFileSync('docs/tutorial.md', 'utf8');
let service: ChildProcess | null = null;
afterEach(stop);

test.runIf(hasTerminal)('the walk goes as it is shown', { timeout: 240_000 }, async () => {
  const port = await freePort();
  const environment = {
    ...plainEnvironment(),
    PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    NO_COLOR: '1',
    PORT: port,
    MALOTE_STORE: `sqlite:${join(folder, 'payments.db')}`,
    MALOTE_ENGINE: `sqlite:${join(folder, 'malote.db')}`,
  };
  const asShown = (text: string): string =>
    paceless(timeless(text))
      .replaceAll(`localhost:${port}`, 'localhost:3000')
      .replaceAll(folder, 'data');
  const run = (line: string): ChildProcess =>
    spawn('/bin/sh', ['-c', line.replaceAll('localhost:3000', `localhost:${port}`)], {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      // In a group of its own, which Ctrl+C ends as a whole.
      detached: true,
    });

  const lines = blocksOf(page, 'console').flatMap(stepsOf);
  assert.ok(lines.length > 12);
  for (const { line, output } of lines) {
    if (line === 'npm ci') continue;
    if (line.endsWith('npm start')) {
      await stop();
      service = run(line);
      await says(service, output.replace(/…\n+$/, '').trim(), asShown);
      continue;
    }
    // What was sent is on its way: what only looks may look again.
    const looks = /-s http|waiting|list|show|outbox/.test(line);
    const awaited = paceless(output.trim());
    let seen = '';
    for (let left = looks ? 60 : 1; left > 0 && seen !== awaited; left -= 1) {
      const isLook = line.startsWith('npm run -s malote');
      seen = asShown(await outputOf(run(isLook ? atEighty(line) : line))).trim();
    }
    assert.equal(seen, awaited, line);
  }
});

/** How much there was in the last minute is a matter of the reader's pace. */
function paceless(text: string): string {
  return text.replaceAll(/"perMinute":\d,"perSecond":[\d.]+/g, 'PACE');
}

/** Until it has printed that. */
async function says(
  { stdout }: ChildProcess,
  awaited: string,
  asShown: (text: string) => string,
): Promise<void> {
  let said = '';
  for await (const text of stdout!.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    said += text;
    if (asShown(said).includes(awaited)) return;
  }
  assert.fail(`${awaited}\nis not in:\n${said}`);
}

/** Data, and the words of the command line; npm may warn of what it likes. */
async function outputOf({ stdout, stderr }: ChildProcess): Promise<string> {
  const [data, words] = await Promise.all(
    [stdout!, stderr!].map(async (stream) => {
      let text = '';
      for await (const part of stream.setEncoding('utf8')) text += part;
      return text;
    }),
  );
  return `${data?.replaceAll('\r\n', '\n')}${words?.replaceAll(/^npm .*\n/gm, '')}`;
}

async function stop(): Promise<void> {
  if (service?.pid === undefined) return;
  const ended = once(service, 'close');
  process.kill(-service.pid, 'SIGINT');
  service.stdout?.resume();
  service = null;
  await ended;
}
