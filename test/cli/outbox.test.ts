/** The outbox from the command line: what waits there, and what the engine refused for good. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createBus, type Engine, MaloteError, message, type OutboxStats } from 'malote';
import { sqlite } from 'malote/sqlite';
import { beforeAll, describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { exporting, malote, projectIn, told } from './project.ts';
import { deadLetter, differences } from './shape.ts';

const folder = temporaryFolder();
const configuration = exporting(`sqlite('malote.db')`, `store: sqlite('app.db')`);
const cwd = projectIn(folder, 'outbox', configuration);
const Payment = message<{ amount: string }>('payment.requested', { orderBy: () => 'k' });
const refusals = 3;

beforeAll(async () => {
  const options = { name: 'refusing', handleSignals: false, logger: false } as const;
  const store = sqlite(join(cwd, 'app.db'));
  const engine = refusing(sqlite(join(cwd, 'malote.db')));
  const bus = createBus({ engine, store, ...options });
  const done = told('refusing', 'dead', refusals);
  await bus.start();
  for (let n = 1; n <= refusals; n++) {
    const headers = { who: 'me' };
    await bus.transaction(({ publish }) => {
      publish(Payment, { amount: `${n}` }, { id: `refused-${n}`, headers });
    });
  }
  await done;
  await bus.stop();
  const later = createBus({ engine, store, relay: false, ...options });
  await later.transaction(({ publish }) => {
    publish(Payment, { amount: '9' }, { id: 'waiting' });
  });
  await later.stop();
}, 60_000);

/** An engine that will never take what the relay brings. */
function refusing<Tx>(engine: Engine<Tx>): Engine<Tx> {
  const error = new MaloteError('MESSAGE_TOO_LARGE', 'much too large');
  return {
    ...engine,
    async open(host) {
      const transport = await engine.open(host);
      const forward = async (batch: readonly unknown[]) =>
        batch.map(() => ({ kind: 'refused', error }) as const);
      return { ...transport, queue: { ...transport.queue, forward } };
    },
  };
}

async function json(...args: string[]): Promise<unknown> {
  const { status, stdout, stderr } = await malote([...args, '--json'], { cwd });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

test('outbox shows the keys that a refused message holds up', async () => {
  const blocking = projectIn(folder, 'blocking', configuration);
  const bus = createBus({
    engine: refusing(sqlite(join(blocking, 'malote.db'))),
    store: sqlite(join(blocking, 'app.db')),
    relay: { onDead: 'block' },
    name: 'blocking',
    handleSignals: false,
    logger: false,
  });
  const blocked = told('blocking', 'blocked', 1);
  await bus.start();
  await bus.transaction(({ publish }) => {
    for (const n of [1, 2]) publish(Payment, { amount: `${n}` }, { id: `behind-${n}` });
  });
  await blocked;
  await bus.stop();

  const { status, stdout, stderr } = await malote(['outbox'], { cwd: blocking });
  const document = await malote(['outbox', '--json'], { cwd: blocking });

  assert.equal(status, 0, stderr);
  assert.match(stdout, /^waiting 1\n.*\ndead {4}1\nrelayed 0\nblocked k\n$/);
  assert.match(stderr, /a blocked key goes on after: malote dead redrive --outbox ID/);
  assert.deepEqual((JSON.parse(document.stdout) as OutboxStats).blockedKeys, ['k']);
});

test('messages show finds what waits for the relay', async () => {
  const shown = await malote(['messages', 'show', 'waiting'], { cwd });
  const [view] = (await json('messages', 'show', 'waiting')) as Record<string, unknown>[];

  assert.match(
    shown.stdout,
    /^waiting: in the outbox, waits for the relay\n {2}attempts 0, key k\n/,
  );
  assert.deepEqual([view?.['subscription'], view?.['state']], ['malote.outbox', 'ready']);
});

test('messages show says what the engine refused', async () => {
  const { stdout } = await malote(['messages', 'show', 'refused-1'], { cwd });

  assert.match(stdout, /^refused-1: dead in the outbox\n.*reason refused-by-target\n/);
});

describe('dead … --outbox', () => {
  test('list and show tell of the message, not of its row', async () => {
    const letters = await json('dead', 'list', '--outbox');
    const [one] = (await json('dead', 'show', 'refused-1', '--outbox')) as (typeof letters)[];
    const table = await malote(['dead', 'list', '--outbox', '--limit', '1'], { cwd });

    const shape = { ...deadLetter, firstFailure: 'object', lastFailure: 'object' };
    assert.deepEqual(differences('it', letters, [shape]), []);
    assert.equal((letters as unknown[]).length, refusals);
    const { topic, body, headers, reason } = one as Record<string, string>;
    assert.deepEqual([topic, body, reason], [Payment.name, '{"amount":"1"}', 'refused-by-target']);
    assert.match(headers ?? '', /"who":"me"/);
    assert.match(table.stdout, /payment\.requested.*MESSAGE_TOO_LARGE: much too large\n$/);
    assert.match(table.stderr, /there are more/);
  });

  test.each([
    ['list', '--outbox', '--key', 'k'],
    ['list', '--outbox', '--subscription', 'ledger'],
    ['redrive', '--outbox', '--since', '2h'],
  ])('%s %s %s is refused', async (...args) => {
    const { status, stderr } = await malote(['dead', ...args], { cwd });

    assert.equal(status, 2);
    assert.match(stderr, /--outbox must be given without what chooses .*OPTION_INVALID/);
  });

  test('what is not dead there is not found', async () => {
    const shown = await malote(['dead', 'show', 'waiting', '--outbox'], { cwd });
    const sent = await malote(['dead', 'redrive', 'waiting', 'nope', '--outbox'], { cwd });

    const standing = 'message "waiting" is not dead: it is in the outbox, where it waits';
    assert.deepEqual([shown.status, shown.stdout], [3, '']);
    assert.match(shown.stderr, new RegExp(`^malote: ${standing} `));
    assert.deepEqual([sent.status, sent.stdout], [3, '']);
    assert.match(sent.stderr, new RegExp(`^malote: ${standing} .*; nothing is known .* "nope"`));
  });

  test('redrive sends back one, some, all; and a script must say so', async () => {
    assert.deepEqual(await json('dead', 'redrive', '--outbox', '--dry-run'), { wouldRedrive: 3 });
    assert.deepEqual(await json('dead', 'redrive', '--outbox', 'refused-2'), { redriven: 1 });
    assert.deepEqual(await json('dead', 'redrive', '--outbox', '--limit', '1'), { redriven: 1 });
    const unsaid = await malote(['dead', 'redrive', '--outbox'], { cwd });
    assert.equal(unsaid.status, 2);
    assert.match(unsaid.stderr, /all of the outbox must be confirmed/);
    assert.deepEqual(await json('dead', 'redrive', '--outbox', '--yes'), { redriven: 1 });

    assert.deepEqual(await json('dead', 'list', '--outbox'), []);
    const { waiting } = (await json('outbox')) as { waiting: number };
    assert.equal(waiting, refusals + 1);
  });
});
