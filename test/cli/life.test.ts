/** `malote messages show` on a message that is done, where the journal keeps all. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createBus, dependency, fixed, message } from 'malote';
import { sqlite } from 'malote/sqlite';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { exporting, malote, projectIn, told } from './project.ts';

test('a done message is shown with its whole life, as text and as JSON', async () => {
  const cwd = projectIn(temporaryFolder(), 'life', exporting(`sqlite('malote.db')`));
  await live(join(cwd, 'malote.db'));

  const shown = await malote(['messages', 'show', 'p-1'], { cwd });
  const asJson = await malote(['messages', 'show', 'p-1', '--json'], { cwd });

  assert.equal(shown.status, 0, shown.stderr);
  const at = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
  const lines = [
    'payment\\.requested p-1: done in ledger',
    '  attempts 2, key 5',
    `  ${at}  accepted`,
    `  ${at}  delivered, attempt 1`,
    `  ${at}  retried, attempt 1: RangeError: no money`,
    `  ${at}  delivered, attempt 2`,
    `  ${at}  acked, attempt 2`,
  ];
  assert.match(shown.stdout, new RegExp(`^${lines.join('\n')}\n$`));
  const [view] = JSON.parse(asJson.stdout) as { state: string; history: { event: string }[] }[];
  assert.equal(view?.state, 'done');
  assert.deepEqual(
    view.history.map(({ event }) => event),
    ['delivered', 'retried', 'delivered', 'acked'],
  );
});

test('where exceptions are kept, no attempts are claimed for a done message', async () => {
  const cwd = projectIn(temporaryFolder(), 'untold', exporting(`sqlite('malote.db')`));
  await live(join(cwd, 'malote.db'), 'exceptions');

  const { stdout } = await malote(['messages', 'show', 'p-1'], { cwd });

  assert.match(stdout, /^payment\.requested p-1: done in ledger\n {2}[\d:TZ.-]+ {2}accepted\n$/);
});

test('a message that waited in vain is shown with no attempt, and what for once', async () => {
  const cwd = projectIn(temporaryFolder(), 'vain', exporting(`sqlite('malote.db')`));
  await waitInVain(join(cwd, 'malote.db'));

  const shown = await malote(['messages', 'show', 'p-1'], { cwd });
  const letter = await malote(['dead', 'show', 'p-1'], { cwd });

  const at = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
  const life = [
    'payment\\.requested p-1: dead in ledger',
    '  attempts 0, key 5, reason dependency-timeout',
    `  ${at}  accepted`,
    `  ${at}  parked: customer:5`,
    `  ${at}  died: DependencyTimeout: waited for customer:5 until its deadline`,
  ];
  assert.match(shown.stdout, new RegExp(`^${life.join('\n')}\n$`));
  const death = [
    'payment\\.requested p-1: dead in ledger',
    '  reason dependency-timeout, attempts 0, key 5',
    `  ${at}  accepted`,
    `  ${at}  died`,
    '  last failure: DependencyTimeout: waited for customer:5 until its deadline',
    '  body: .*',
  ];
  assert.match(letter.stdout, new RegExp(`^${death.join('\n')}\n$`));
});

/** A payment whose customer does not come in time. */
async function waitInVain(file: string): Promise<void> {
  const customer = dependency('customer');
  const Payment = message<{ customerId: string }>('payment.requested', {
    orderBy: ({ customerId }) => customerId,
    waitFor: ({ customerId }) => customer(customerId),
  });
  const bus = createBus({
    engine: sqlite(file),
    journal: 'all',
    name: 'vain',
    handleSignals: false,
    logger: false,
  });
  const died = told('vain', 'dead', 1);
  bus.consume(Payment, { name: 'ledger', waiting: { deadline: '50ms' } }, () => {});
  await bus.start();
  await bus.publish(Payment, { customerId: '5' }, { id: 'p-1' });
  await died;
  await bus.stop();
}

/** A payment that succeeds at the second try. */
async function live(file: string, journal: 'all' | 'exceptions' = 'all'): Promise<void> {
  const Payment = message<{ customerId: string }>('payment.requested', {
    orderBy: ({ customerId }) => customerId,
  });
  const options = { name: 'living', handleSignals: false, logger: false } as const;
  const bus = createBus({ engine: sqlite(file), journal, ...options });
  const done = told('living', 'acked', 1);
  bus.consume(Payment, { name: 'ledger', retry: { backoff: fixed('1ms') } }, (_, { attempt }) => {
    if (attempt === 1) throw new RangeError('no money');
  });
  await bus.start();
  await bus.publish(Payment, { customerId: '5' }, { id: 'p-1' });
  await done;
  await bus.stop();
}
