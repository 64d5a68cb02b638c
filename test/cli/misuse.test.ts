/** Whatever is wrong ends with its exit code and a sentence, on standard error, without a stack. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { parse } from '../../src/cli/parse.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { exporting, malote, projectIn, started } from './project.ts';

const folder = temporaryFolder();
const cwd = projectIn(folder, 'sound', exporting(`sqlite('malote.db')`));
beforeAll(() => started(cwd));

interface Mistake {
  readonly args: readonly string[];
  readonly status: number;
  readonly says: RegExp;
}

/** What is refused before a configuration is looked for. */
const words: readonly Omit<Mistake, 'status'>[] = [
  { args: ['dead', 'redirve'], says: /did you mean "dead redrive"\?/ },
  { args: ['redrive'], says: /did you mean "dead redrive"\?/ },
  { args: ['subscription'], says: /did you mean "subscriptions"\?/ },
  { args: ['list'], says: /did you mean "dead list"\?/ },
  { args: ['--json'], says: /given a command first/ },
  { args: ['--config'], says: /given a command first/ },
  { args: ['--limit', '1', 'waiting'], says: /given a command first/ },
  { args: ['--json', 'topics', '--json'], says: /given once/ },
  {
    args: ['--frob'],
    says: /^malote has no option "frob"; known are json, config, help, version$/,
  },
  {
    args: ['--confg', 'x', 'topics'],
    says: /^malote has no option "confg"; did you mean "config"\?$/,
  },
  { args: ['--hlep'], says: /^malote has no option "hlep"; did you mean "help"\?$/ },
  { args: ['waiting', '--frob'], says: /^waiting has no option "frob"; known are .*for, / },
  { args: ['topics', '--jsno'], says: /did you mean "json"\?/ },
  { args: ['topics', '--json=1'], says: /--json must be given without a value/ },
  { args: ['topics', 'more'], says: /given no operand, got "more"/ },
  { args: ['messages', 'show'], says: /followed by ID, .*, got nothing$/ },
  { args: ['waiting', '--limit'], says: /--limit must be followed by NUMBER, got nothing$/ },
  { args: ['waiting', '--for', '--json'], says: /--for must be followed by FACT/ },
  { args: ['waiting', '--limit=1', '--limit=2'], says: /given once/ },
];

const uses: readonly Mistake[] = [
  { args: [], status: 2, says: /^Usage: malote COMMAND/ },
  {
    args: ['nope'],
    status: 2,
    says: /known are publish, topics, .*, dead, outbox, doctor \(OPTION_UNKNOWN/,
  },
  { args: ['dead'], status: 2, says: /^Usage: .*\n\n {2}dead list/ },
  {
    args: ['ded', 'list'],
    status: 2,
    says: /no command "ded"; did you mean "dead"\? \(OPTION_UNKNOWN\)/,
  },
  { args: ['waiting', '--limit', '0'], status: 2, says: /whole number from 1/ },
  { args: ['waiting', '--for', 'customer'], status: 2, says: /a fact, such as customer:5/ },
  { args: ['waiting', '--subscription', 'x'], status: 3, says: /no subscription "x".*NOT_FOUND/ },
  { args: ['dead', 'redrive'], status: 2, says: /ids or --subscription NAME, got nothing \(/ },
  {
    args: ['dead', 'show', 'x'],
    status: 3,
    says: /^malote: nothing is known of a message "x".*NOT_FOUND/,
  },
  { args: ['dead', 'redrive', 'x'], status: 3, says: /^malote: nothing is known of a message "x"/ },
  { args: ['publish', 'payment.requested', '{'], status: 2, says: /must be JSON.*DATA_INVALID/ },
  { args: ['publish', 'payment.requested', '{}'], status: 2, says: /an amount.*DATA_INVALID/ },
  { args: ['publish', 'payment.request', '1'], status: 3, says: /mean "payment.requested"\?/ },
  {
    args: ['publish', 'payment.requested', '{"amount":""}', '--delay', '500'],
    status: 2,
    says: /a duration.*OPTION_INVALID/,
  },
];

describe('wrong use', () => {
  test.each(words)('malote $args is not understood', ({ args, says }) => {
    assert.throws(() => parse(args, commands), { name: 'MaloteError', message: says });
  });

  test.each(uses)('malote $args ends with $status', async ({ args, status, says }) => {
    assert.match(await refused(cwd, args, status), says);
  });
});

const configs: readonly (Mistake & { readonly config: string })[] = [
  { config: 'export default', args: ['topics'], status: 6, says: /cannot be used/ },
  { config: 'export default {};', args: ['topics'], status: 6, says: /engine must be an engine/ },
  {
    config: 'export default { engin: memory() };',
    args: ['topics'],
    status: 6,
    says: /defineConfig has no option "engin"; did you mean "engine"\?/,
  },
  {
    config: exporting('memory()', 'messages: [1]'),
    args: ['topics'],
    status: 6,
    says: /messages must be a list of types made by message\(\)/,
  },
  {
    config: exporting(`sqlite('')`),
    args: ['topics'],
    status: 6,
    says: /sqlite\(\) path must be.*CONFIG_INVALID/,
  },
  {
    config: exporting('memory()', ''),
    args: ['publish', 'a', '1'],
    status: 6,
    says: /no messages to publish/,
  },
];

describe('a configuration that cannot be used', () => {
  test.each(configs)('$config', async ({ config, args, status, says }) => {
    const place = projectIn(
      folder,
      `config-${configs.findIndex((one) => one.config === config)}`,
      config,
    );
    assert.match(await refused(place, args, status), says);
  });

  test('none at all, here or above', async () => {
    const lost = join(folder, 'lost');
    mkdirSync(lost);
    assert.match(await refused(lost, ['topics'], 6), /no malote\.config\.ts in .*CONFIG_MISSING/);
    const named = await refused(lost, ['topics', '--config', 'x.ts'], 6);
    assert.match(named, /x\.ts, which does not exist/);
  });

  test('it is found from below, and its paths are its own', async () => {
    const below = join(cwd, 'deep', 'below');
    mkdirSync(below, { recursive: true });

    const here = await malote(['topics', '--json'], { cwd: below });
    const file = join(cwd, 'malote.config.ts');
    const named = await malote(['topics', '--json', '--config', file], { cwd: folder });
    const before = await malote(['--config', file, '--json', 'topics'], { cwd: folder });

    assert.equal(here.status, 0, here.stderr);
    assert.equal(named.stdout, here.stdout);
    assert.equal(before.stdout, here.stdout);
    assert.match(await refused(below, ['dead', 'show', 'x'], 3), /nothing is known/);
  });
});

describe('an engine that cannot be reached', () => {
  test('a server that does not answer', async () => {
    const url = `amqp://user:secret@127.0.0.1:${await closedPort()}`;
    const place = projectIn(folder, 'unreachable', exporting(`rabbitmq('${url}')`));

    const sentence = await refused(place, ['subscriptions'], 5);

    assert.match(sentence, /ENGINE_UNREACHABLE/);
    assert.equal(sentence.includes('secret'), false);
  });

  test('a file that is no database', async () => {
    const place = projectIn(folder, 'no-database', exporting(`sqlite('malote.config.ts')`));
    assert.match(await refused(place, ['topics'], 5), /ENGINE_CORRUPT/);
  });

  test.each([
    { args: ['topics'] },
    { args: ['subscriptions'] },
    { args: ['messages', 'show', 'x'] },
    { args: ['waiting'] },
    { args: ['dead', 'list'] },
    { args: ['dead', 'show', 'x'] },
    { args: ['dead', 'redrive', 'x'] },
    { args: ['doctor'] },
  ])('a file that is not there: malote $args makes none', async ({ args }) => {
    const config = exporting(`sqlite('misspelt.db')`);
    const place = projectIn(folder, `no-file-${args.join('-')}`, config);
    const before = readdirSync(place);

    const sentence = await refused(place, args, 5);

    assert.match(sentence, /misspelt\.db" must exist to be looked at.*ENGINE_UNREACHABLE/);
    assert.deepEqual(readdirSync(place), before);
  });

  test('a file that is not there, as the store: malote outbox makes none', async () => {
    const config = exporting('memory()', `store: sqlite('misspelt.db')`);
    const place = projectIn(folder, 'no-store', config);

    assert.match(await refused(place, ['outbox'], 5), /must exist .*ENGINE_UNREACHABLE/);
    assert.equal(existsSync(join(place, 'misspelt.db')), false);
  });

  test('a file that is not there: a publish makes it, and then it can be looked at', async () => {
    const place = projectIn(folder, 'first', exporting(`sqlite('first.db')`));

    const args = ['publish', 'payment.requested', '{"amount":"1"}'];
    const published = await malote(args, { cwd: place });
    const looked = await malote(['topics'], { cwd: place });

    assert.equal(published.status, 0, published.stderr);
    assert.equal(looked.status, 0, looked.stderr);
  });

  test('a folder that is not there', async () => {
    const place = projectIn(folder, 'no-folder', exporting(`sqlite('none/malote.db')`));
    const publishing = ['publish', 'payment.requested', '{"amount":"1"}'];
    assert.match(await refused(place, publishing, 6), /create .*CONFIG_INVALID/);
    assert.match(await refused(place, ['topics'], 5), /none\/malote\.db" must exist /);
  });
});

/** What it said, once it has ended as it should. */
async function refused(place: string, args: readonly string[], status: number): Promise<string> {
  const ended = await malote(args, { cwd: place });
  assert.equal(ended.status, status, ended.stderr);
  assert.equal(ended.stdout, '');
  assert.doesNotMatch(ended.stderr, /^ +at /m, 'a stack trace');
  return ended.stderr;
}

/** A port that was free a moment ago, and on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
