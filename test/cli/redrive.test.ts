/** `malote dead redrive` of many: told first, asked about, shown on its way, and interrupted. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createBus, message } from 'malote';
import { sqlite } from 'malote/sqlite';
import { beforeAll, describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { exporting, malote, projectIn, told } from './project.ts';
import { atTerminal, hasTerminal } from './terminal.ts';

const folder = temporaryFolder();
const cwd = projectIn(folder, 'redrive', exporting(`sqlite('malote.db')`));
const file = join(cwd, 'malote.db');
const dead = 2_500;
const names = ['told', 'sent', 'shown', 'asked', 'interrupted', 'cut', 'stuck'] as const;

beforeAll(async () => {
  const Thing = message<string>('thing');
  const options = { name: 'redriving', handleSignals: false, logger: false } as const;
  const bus = createBus({ engine: sqlite(file), ...options });
  const done = told('redriving', 'dead', dead * names.length);
  for (const name of names) {
    bus.consume(Thing, { name, retry: { attempts: 1 } }, () => {
      throw new RangeError('no');
    });
    await bus.subscribe(name, Thing);
  }
  for (let left = dead; left > 0; left -= 500) {
    await bus.publishMany(Thing, Array<string>(500).fill(''));
  }
  await bus.start();
  await done;
  await bus.stop();
}, 240_000);

async function deadOf(name: (typeof names)[number]): Promise<number> {
  const bus = createBus({ engine: sqlite(file), handleSignals: false, logger: false });
  const { dead: left } = await bus.subscriptions.stats(name);
  await bus.stop();
  return left;
}

function redriving(name: (typeof names)[number], ...options: readonly string[]): string[] {
  return ['dead', 'redrive', '--subscription', name, ...options];
}

describe('--dry-run tells how many would go, and sends none', () => {
  test.each([
    { options: [], count: dead },
    { options: ['--failure', 'RangeError'], count: dead },
    { options: ['--failure', 'Unknown'], count: 0 },
    { options: ['--limit', '7'], count: 7 },
    { options: ['--failure', 'RangeError', '--limit', '700'], count: 700 },
  ])('$options', async ({ options, count }) => {
    const args = redriving('told', '--dry-run', ...options);
    const { stdout, stderr } = await malote([...args, '--json'], { cwd });

    assert.deepEqual(JSON.parse(stdout), { wouldRedrive: count }, stderr);
    assert.match(stderr, /^none was sent back/);
    assert.equal(await deadOf('told'), dead);
  });

  test('of ids', async () => {
    const page = await malote(['dead', 'list', '--limit', '2', '--json'], { cwd });
    const ids = (JSON.parse(page.stdout) as { id: string }[]).map(({ id }) => id);

    const { stdout } = await malote(['dead', 'redrive', ...ids, 'unknown', '--dry-run'], { cwd });

    // Each is dead in every subscription.
    assert.equal(stdout, `${new Set(ids).size * names.length}\n`);
    assert.equal(await deadOf('told'), dead);
  });
});

describe('all of a subscription', () => {
  test('is not sent back by a script that did not say so', async () => {
    const { status, stdout, stderr } = await malote(redriving('sent'), { cwd });

    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /all of sent must be confirmed.*--yes.*--dry-run.*OPTION_INVALID/);
    assert.equal(await deadOf('sent'), dead);
  });

  test('goes with --yes, and a pipe sees the sum alone', async () => {
    const { status, stdout, stderr } = await malote(redriving('sent', '--yes'), { cwd });

    assert.deepEqual([status, stdout, stderr], [0, `${dead}\n`, '']);
    assert.equal(await deadOf('sent'), 0);
  });

  test('a limit above one step is kept', async () => {
    const { stdout } = await malote(redriving('cut', '--limit', '1500'), { cwd });

    assert.equal(stdout, '1500\n');
    assert.equal(await deadOf('cut'), dead - 1_500);
  });
});

describe.runIf(hasTerminal)('at a terminal', () => {
  test('it shows how far it is', async () => {
    const terminal = atTerminal(redriving('shown', '--yes'), { cwd });

    assert.equal(await terminal.ended, 0);
    for (const count of ['1,000', '2,000', '2,500']) {
      assert.match(terminal.shown, new RegExp(`sent back ${count} of 2,500, [\\d,]+ a second`));
    }
    assert.ok(terminal.shown.endsWith(`\r\u001b[K2500 sent back\r\n`), terminal.shown);
  });

  test('it asks before all of a subscription go, and takes no for an answer', async () => {
    const question = 'send back all 2,500 dead letters of asked? [y/N] ';
    const refused = atTerminal(redriving('asked'), { cwd });
    await refused.until(question);
    refused.type('\n');
    assert.equal(await refused.ended, 1);
    assert.match(refused.shown, /none was sent back/);
    assert.equal(await deadOf('asked'), dead);

    const interrupted = atTerminal(redriving('asked'), { cwd });
    await interrupted.until(question);
    interrupted.type('\u0003');
    assert.equal(await interrupted.ended, 130);
    assert.equal(await deadOf('asked'), dead);

    const agreed = atTerminal(redriving('asked'), { cwd });
    await agreed.until(question);
    agreed.type('y\n');
    assert.equal(await agreed.ended, 0);
    assert.equal(await deadOf('asked'), 0);
  });
});

describe('Ctrl+C', () => {
  /** An engine in whose second step it is pressed; `after` says what that step then does. */
  const pressing = (after: string): string => `
    const inner = sqlite(${JSON.stringify(file)});
    let steps = 0;
    const press = async () => {
      const alive = setInterval(() => {}, 1_000);
      const heard = new Promise((done) => process.once('SIGINT', done));
      process.kill(process.pid, 'SIGINT');
      await heard;
      clearInterval(alive);
    };
    const engine = { ...inner, async open(host) {
      const transport = await inner.open(host);
      const redrive = async (query) => {
        steps += 1;
        const count = await transport.store.redrive(query);
        if (steps === 2) await press();
        if (steps === 2) { ${after} }
        return count;
      };
      return { ...transport, store: { ...transport.store, redrive } };
    } };
    export default defineConfig({ engine });`;

  test('ends it behind a step, with the sum, and it can be repeated', async () => {
    const place = projectIn(folder, 'pressed', pressing(''));

    const first = await malote(redriving('interrupted', '--yes', '--json'), { cwd: place });

    assert.equal(first.status, 130, first.stderr);
    assert.deepEqual(JSON.parse(first.stdout), { redriven: 2_000 });
    assert.match(first.stderr, /^interrupted: 2000 are back, .*repeating it is safe\n$/);
    assert.equal(await deadOf('interrupted'), dead - 2_000);
    const second = await malote(redriving('interrupted', '--yes'), { cwd });
    assert.deepEqual([second.status, second.stdout], [0, `${dead - 2_000}\n`]);
  });

  test('twice ends it at once, as in a step that never comes to its end', async () => {
    const place = projectIn(folder, 'stuck', pressing('await press();'));

    const { status, stdout } = await malote(redriving('stuck', '--yes'), { cwd: place });

    assert.deepEqual([status, stdout], [130, '']);
  });
});
