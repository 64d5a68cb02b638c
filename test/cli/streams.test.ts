/** Data to one stream and words to the other; readers that leave, Ctrl+C, colours and controls. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBus, message } from 'malote';
import { sqlite } from 'malote/sqlite';
import { beforeAll, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ended, exporting, malote, projectIn, start, told } from './project.ts';
import { atTerminal, hasTerminal } from './terminal.ts';

const folder = temporaryFolder();
const cwd = projectIn(folder, 'streams', exporting(`sqlite('malote.db')`));
const many = 3_000;
const hostile = '\u001b[2J\u202egnp\n\u009b31m';

beforeAll(async () => {
  const Thing = message<string>('thing', { orderBy: () => hostile });
  const options = { name: 'streams', handleSignals: false, logger: false } as const;
  const bus = createBus({ engine: sqlite(join(cwd, 'malote.db')), ...options });
  const done = told('streams', 'dead', many);
  bus.consume(Thing, { name: 'taker', retry: { attempts: 1 } }, () => {
    throw new RangeError('x'.repeat(500));
  });
  const parts = Array.from({ length: many / 1_000 }, () => Array.from({ length: 1_000 }, () => ''));
  for (const part of parts) await bus.publishMany(Thing, part);
  await bus.start();
  await done;
  await bus.stop();
}, 120_000);

test('who reads only the beginning ends it in silence', async () => {
  const child = start(['dead', 'list', '--all', '--json'], { cwd });
  const end = ended(child);
  child.stdout?.once('data', () => child.stdout?.destroy());

  const { status, stderr, stdout } = await end;

  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  assert.ok(stdout.length < 1_000_000, 'everything was read');
});

test('all pages make one array', async () => {
  const { stdout } = await malote(['dead', 'list', '--all', '--json'], { cwd });

  assert.equal((JSON.parse(stdout) as unknown[]).length, many);
});

test('a table cuts what is long, and its figures stand to the right', async () => {
  const { stdout } = await malote(['dead', 'list', '--limit', '1'], { cwd });

  const [titles = '', row = ''] = stdout.split('\n');
  assert.match(row, / RangeError: x{50,}…$/);
  assert.ok(row.length < 350, `the row has ${row.length} characters`);
  const end = titles.indexOf('ATTEMPTS') + 'ATTEMPTS'.length;
  assert.equal(row.slice(end - 8, end), '       1');
});

test.runIf(hasTerminal)('at a terminal a row fits, and its id is whole', async () => {
  const args = ['dead', 'list', '--limit', '3'];
  const list = atTerminal(args, { cwd, columns: 104, env: { NO_COLOR: '1' } });

  assert.equal(await list.ended, 0);
  const { stdout } = await malote(args, { cwd });
  const ids = stdout
    .trim()
    .split('\n')
    .map((row) => row.split(' ')[0] ?? '');
  const lines = list.shown.split('\r\n').slice(0, ids.length);
  assert.deepEqual(
    lines.map((row) => row.split(' ')[0]),
    ids,
  );
  assert.ok(ids[1]!.length > 30);
  assert.deepEqual(
    lines.map(({ length }) => length <= 104),
    lines.map(() => true),
    list.shown,
  );
  assert.ok(
    list.shown.split('\r\n').some((line) => / RangeError: x+…$/.test(line)),
    list.shown,
  );
});

test.runIf(hasTerminal).each([
  { args: ['subscriptions'], titles: ['SUBSCRIPTION', 'DEPTH', 'DEAD', 'DONE', 'PARTITIONS'] },
  { args: ['dead', 'list', '--limit', '3'], titles: ['MESSAGE', 'REASON', 'DIED', 'FAILURE'] },
])('at a terminal of 80 columns $args shows all it has', async ({ args, titles }) => {
  const list = atTerminal(args, { cwd, columns: 80, env: { NO_COLOR: '1' } });

  assert.equal(await list.ended, 0);
  const lines = list.shown.split('\r\n');
  assert.deepEqual(
    lines.filter(({ length }) => length > 80),
    [],
  );
  const heads = lines.filter((line) => line.startsWith(titles[0]!));
  assert.ok(heads.length > 1, list.shown);
  for (const title of titles)
    assert.ok(
      heads.some((head) => head.includes(title)),
      title,
    );
});

test.runIf(hasTerminal).each([80, 120])(
  'at %i columns times and reasons are whole',
  async (columns) => {
    const args = ['dead', 'list', '--limit', '3'];
    const list = atTerminal(args, { cwd, columns, env: { NO_COLOR: '1' } });

    assert.equal(await list.ended, 0);
    const died = list.shown.match(/ (\d{4}-)?\d\d-\d\d \d\d:\d\d:\d\dZ( |\r)/g) ?? [];
    const reasons = list.shown.match(/ attempts-exhausted( |\r)/g) ?? [];
    assert.deepEqual([died.length, reasons.length], [3, 3], list.shown);
  },
);

test('a list stops at its limit and says that there is more', async () => {
  const { stdout, stderr } = await malote(['dead', 'list', '--limit', '501', '--json'], { cwd });

  assert.equal((JSON.parse(stdout) as unknown[]).length, 501);
  assert.equal(stderr, 'there are more: --all, or a larger --limit\n');
});

test('Ctrl+C ends it with 130 and no word', async () => {
  const stuck = `{ ...memory(), open: () => {
    console.error('opening');
    return new Promise(() => setInterval(() => {}, 1_000));
  } }`;
  const place = projectIn(folder, 'stuck', exporting(stuck));
  const child = start(['topics'], { cwd: place });
  const end = ended(child);
  let heard = '';
  while (!heard.includes('opening')) {
    const [text] = (await once(child.stderr!, 'data')) as [string];
    heard += text;
  }
  child.kill('SIGINT');

  const { status, stdout, stderr } = await end;

  assert.equal(status, 130);
  assert.equal(stdout, '');
  assert.match(stderr, /opening\n$/);
});

test('a message cannot steer the terminal', async () => {
  for (const args of [
    ['dead', 'list', '--limit', '1'],
    ['dead', 'list', '--limit', '1', '--json'],
  ]) {
    const { stdout } = await malote(args, { cwd });
    assert.doesNotMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\u202e]/u);
    assert.match(stdout, /\\u202e/);
    if (args.includes('--json')) {
      assert.equal((JSON.parse(stdout) as { key: string }[])[0]?.key, hostile);
    }
  }
});

const bold = '\u001b[1m';

test('colours come into no pipe, unless they are asked for', async () => {
  const args = ['subscriptions'];

  const piped = await malote(args, { cwd });
  const forced = await malote(args, { cwd, env: { FORCE_COLOR: '1' } });

  assert.equal(piped.stdout.includes(bold), false);
  assert.equal(forced.stdout.includes(bold), true);
});

test.runIf(hasTerminal)('headings are bold at a terminal, and plain with NO_COLOR', async () => {
  const args = ['subscriptions'];

  const coloured = atTerminal(args, { cwd });
  const refused = atTerminal(args, { cwd, env: { NO_COLOR: '1' } });

  assert.deepEqual([await coloured.ended, await refused.ended], [0, 0]);
  assert.ok(coloured.shown.includes(`${bold}SUBSCRIPTION`), coloured.shown);
  assert.match(refused.shown, /^SUBSCRIPTION /);
  assert.equal(refused.shown.includes('\u001b'), false);
});

test.runIf(hasTerminal)('a long list into a file is counted at the terminal', async () => {
  const into = join(folder, 'list.json');
  const list = atTerminal(['dead', 'list', '--all', '--json'], { cwd, into });

  assert.equal(await list.ended, 0);
  assert.equal((JSON.parse(readFileSync(into, 'utf8')) as unknown[]).length, many);
  const lines = list.shown.split('\r\u001b[K');
  assert.match(lines[1] ?? '', /^listed 500, [\d,]+ a second$/);
  assert.match(lines.at(-2) ?? '', /^listed 3,000, [\d,]+ a second$/);
  assert.equal(lines.at(-1), '');
});

test.runIf(hasTerminal)('a list on the screen is not counted besides', async () => {
  const list = atTerminal(['dead', 'list', '--all'], { cwd });

  assert.equal(await list.ended, 0);
  assert.equal(list.shown.includes('listed'), false);
});

test('an engine of one process says that others are not seen, and not among the data', async () => {
  const place = projectIn(folder, 'alone', exporting('memory()'));

  const { status, stdout, stderr } = await malote(['waiting'], { cwd: place });

  assert.equal(status, 0);
  assert.equal(stdout, '');
  assert.match(stderr, /^the memory engine lives in one process.*\nnothing waits\n$/);
});
