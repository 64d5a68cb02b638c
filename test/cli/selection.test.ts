/** `malote dead list` and `malote dead redrive` mean the same dead letters by the same options. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createBus, message } from 'malote';
import { sqlite } from 'malote/sqlite';
import { beforeAll, describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { exporting, malote, projectIn, told } from './project.ts';

class Refused extends Error {}

const cwd = projectIn(temporaryFolder(), 'selection', exporting(`sqlite('malote.db')`));
const ledger = ['--subscription', 'ledger'];

beforeAll(async () => {
  const Payment = message<{ n: number }>('payment.requested', { orderBy: ({ n }) => `k${n % 2}` });
  const Refund = message<{ n: number }>('refund.requested');
  const engine = sqlite(join(cwd, 'malote.db'));
  const bus = createBus({ engine, name: 'selecting', handleSignals: false, logger: false });
  const options = { name: 'ledger', retry: { attempts: 1, giveUpOn: [Refused] } };
  bus.consume([Payment, Refund], options, (msg) => {
    throw msg.type === 'refund.requested' ? new Refused('no') : new RangeError('no money');
  });
  const done = told('selecting', 'dead', 5);
  await bus.start();
  for (const n of [1, 2, 3, 4]) await bus.publish(Payment, { n }, { id: `p-${n}` });
  await bus.publish(Refund, { n: 1 }, { id: 'r-1' });
  await done;
  await bus.stop();
});

async function idsOf(...options: readonly string[]): Promise<string[]> {
  const { status, stdout, stderr } = await malote(['dead', 'list', '--json', ...options], { cwd });
  assert.equal(status, 0, stderr);
  return (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id).toSorted();
}

describe('dead list', () => {
  test.each([
    [['--type', 'refund.requested'], ['r-1']],
    [
      ['--type', 'refund.requested', '--type', 'payment.requested', '--key', 'k0'],
      ['p-2', 'p-4'],
    ],
    [['--reason', 'gave-up'], ['r-1']],
    [
      ['--failure', 'RangeError', '--key', 'k1'],
      ['p-1', 'p-3'],
    ],
    [['--since', '1h', '--until', '2000-01-01'], []],
    [['--until', '1h'], []],
  ])('%j', async (options, ids) => {
    assert.deepEqual(await idsOf(...options), ids);
  });
});

describe('dead redrive', () => {
  test('of a selection, some at a time, until there is none', async () => {
    const redriven: string[] = [];
    for (let times = 0; times < 3; times++) {
      const selection = ['--failure', 'RangeError', '--since', '1d', '--limit', '3'];
      const { stdout } = await malote(['dead', 'redrive', ...ledger, ...selection], { cwd });
      redriven.push(stdout);
    }

    assert.deepEqual(redriven, ['3\n', '1\n', '0\n']);
    assert.deepEqual(await idsOf(), ['r-1']);
  });

  test.each([
    [[...ledger, '--reason', 'crash'], /reason must be "invalid" or .*, got "crash"/],
    [[...ledger, '--since', 'yesterday'], /--since must be a time such as .*, got "yesterday"/],
    [[...ledger, '--since', '3 h'], /--since must be a time such as .*, got "3 h"/],
    [[...ledger, '--since', '3y'], /--since must be a time such as .*, got "3y"/],
    [[...ledger, '--since', '99999d'], /since must be a duration .*, got "99999d"/],
    [[...ledger, '--limit', '0'], /--limit must be a whole number from 1, got "0"/],
    [['--reason', 'crashed'], /must be given ids or --subscription NAME, got neither \(/],
    [['r-1', '--reason', 'crashed'], /must be given ids or --subscription NAME, got both \(/],
  ])('%j is refused', async (options, says) => {
    const { status, stdout, stderr } = await malote(['dead', 'redrive', ...options], { cwd });

    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, says);
  });
});
