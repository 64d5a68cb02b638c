/** `malote messages show` on a message that is done, where the journal keeps all. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createBus, fixed, message } from 'malote';
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

/** A payment that succeeds at the second try. */
async function live(file: string): Promise<void> {
  const Payment = message<{ customerId: string }>('payment.requested', {
    orderBy: ({ customerId }) => customerId,
  });
  const options = { name: 'living', handleSignals: false, logger: false } as const;
  const bus = createBus({ engine: sqlite(file), journal: 'all', keepDone: '1d', ...options });
  const done = told('living', 'acked', 1);
  bus.consume(Payment, { name: 'ledger', retry: { backoff: fixed('1ms') } }, (_, { attempt }) => {
    if (attempt === 1) throw new RangeError('no money');
  });
  await bus.start();
  await bus.publish(Payment, { customerId: '5' }, { id: 'p-1' });
  await done;
  await bus.stop();
}
