/**
 * Every command's `--json` is one valid document of the promised shape, on a store that holds
 * nothing and on one that holds everything. A command without a row here fails.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createBus, dependency, message } from 'malote';
import { sqlite } from 'malote/sqlite';
import { beforeAll, describe, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { nameOf } from '../../src/cli/command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { exporting, malote, projectIn, started, told } from './project.ts';
import { deadLetter, differences, type Shape } from './shape.ts';

const stats: Shape = {
  oldestAt: 'number|null',
  depth: 'number',
  scheduled: 'number',
  ready: 'number',
  leased: 'number',
  retrying: 'number',
  waiting: 'number',
  dead: 'number',
  done: 'number',
  cancelled: 'number',
};
const place: Shape = {
  name: 'string',
  address: 'string',
  capabilities: {
    delivery: 'string',
    lease: 'string',
    fencing: 'boolean',
    dedupe: 'boolean',
    atomicSettle: 'boolean',
    settlesForGood: 'boolean',
    survives: 'string',
    factsSurvive: 'string',
    keepsFacts: 'boolean',
    processes: 'string',
    transactions: 'boolean',
    coordination: 'boolean',
    maxBodyBytes: 'number',
    lookup: 'boolean',
    counts: 'string',
  },
};

interface Row {
  readonly args: readonly string[];
  readonly shape: Shape;
  /** How it ends on a store that holds nothing, and what it prints there. */
  readonly empty: { readonly status: number; readonly stdout?: string };
}

const nothing = { status: 0, stdout: '[]\n' };
const notFound = { status: 3, stdout: '' };

const rows: Readonly<Record<string, Row>> = {
  publish: {
    args: ['publish', 'payment.requested', '{"amount":"1.00"}'],
    shape: { id: 'string', duplicate: 'boolean' },
    empty: { status: 0 },
  },
  topics: {
    args: ['topics'],
    shape: [{ topic: 'string', subscriptions: ['string'], configured: 'boolean' }],
    empty: nothing,
  },
  subscriptions: {
    args: ['subscriptions'],
    shape: [
      {
        name: 'string',
        topics: ['string'],
        order: 'string',
        onDead: 'string',
        waits: 'boolean',
        waitingDeadlineMs: 'number',
        waitingOrder: 'string',
        maxDepth: 'number',
        from: 'string',
        replace: 'boolean',
        paused: 'boolean',
        stats,
        blockedKeys: ['string'],
        consumers: 'number',
        partitions: 'null',
      },
    ],
    empty: nothing,
  },
  'messages show': {
    args: ['messages', 'show', 'p-dead'],
    shape: [
      {
        id: 'string',
        topic: 'string',
        subscription: 'string|null',
        state: 'string',
        key: 'string|null',
        attempts: 'number',
        acceptedAt: 'number',
        readyAt: 'number|null',
        waitingFor: ['string'],
        reason: 'string|null',
        history: [{ at: 'number', event: 'string', attempt: 'number', detail: 'string|null' }],
      },
    ],
    empty: notFound,
  },
  waiting: {
    args: ['waiting', '--for', 'customer:5'],
    shape: [
      {
        id: 'string',
        topic: 'string',
        subscription: 'string',
        key: 'string|null',
        waitingFor: ['string'],
        acceptedAt: 'number',
        deadlineAt: 'number',
      },
    ],
    empty: nothing,
  },
  'dead list': { args: ['dead', 'list', '--all'], shape: [deadLetter], empty: nothing },
  'dead show': { args: ['dead', 'show', 'p-dead'], shape: [deadLetter], empty: notFound },
  'dead redrive': {
    args: ['dead', 'redrive', 'p-dead'],
    shape: { redriven: 'number' },
    empty: notFound,
  },
  outbox: {
    args: ['outbox'],
    shape: {
      waiting: 'number',
      oldestAt: 'number',
      dead: 'number',
      relayed: 'number',
      blockedKeys: ['string'],
    },
    // It has no store: there is no outbox to look at.
    empty: { status: 4, stdout: '' },
  },
  doctor: {
    args: ['doctor'],
    shape: {
      engine: place,
      store: place,
      promises: [{ id: 'string', name: 'string', without: [{ case: 'string', why: 'string' }] }],
      findings: [{ level: 'string', sentence: 'string' }],
    },
    empty: { status: 0 },
  },
};

const folder = temporaryFolder();
const stored = `store: sqlite('app.db'), messages: [Payment]`;
const full = projectIn(folder, 'full', exporting(`sqlite('malote.db')`, stored));
const bare = exporting(`sqlite('malote.db')`, '');
const untouched = projectIn(folder, 'sqlite', bare);
const empties = [
  { engine: 'sqlite', cwd: untouched },
  { engine: 'memory', cwd: projectIn(folder, 'memory', exporting('memory()', '')) },
];

beforeAll(async () => {
  await fill(full);
  await started(untouched);
});

test('every command has its row, and no row is left over', () => {
  assert.deepEqual(Object.keys(rows).toSorted(), commands.map(nameOf).toSorted());
});

describe('on a store that holds something', () => {
  // In the order of the table: what acts comes after what looks.
  test.each(Object.entries(rows))('%s', async (_, { args, shape }) => {
    const { status, stdout, stderr } = await malote([...args, '--json'], { cwd: full });

    assert.equal(status, 0, stderr);
    assert.equal(stderr, '');
    assert.ok(stdout.endsWith('\n'));
    const value: unknown = JSON.parse(stdout);
    if (Array.isArray(shape)) assert.ok((value as unknown[]).length > 0, 'nothing to check');
    assert.deepEqual(differences('it', value, shape), []);
  });
});

describe.each(empties)('on $engine that holds nothing', ({ cwd }) => {
  const looking = Object.entries(rows).filter(([name]) => name !== 'publish');

  test.each(looking)('%s', async (_, { args, empty }) => {
    const { status, stdout, stderr } = await malote([...args, '--json'], { cwd });

    assert.equal(status, empty.status, stderr);
    if (empty.stdout !== undefined) assert.equal(stdout, empty.stdout);
    if (stdout !== '') JSON.parse(stdout);
    if (status === 0) return;
    const said = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '') as Said;
    assert.ok(said.error.code !== '' && said.error.message !== '');
  });
});

/** What is said in JSON on standard error, beside words. */
interface Said {
  readonly error: { readonly code: string; readonly message: string };
}

describe('an error is one line of JSON on standard error, and nothing on standard output', () => {
  const lost = join(folder, 'lost');
  mkdirSync(lost);

  test.each(Object.entries(rows))('%s, without a configuration', async (_, { args }) => {
    const { status, stdout, stderr } = await malote([...args, '--json'], { cwd: lost });

    assert.deepEqual([status, stdout], [6, '']);
    assert.match(stderr, /^[^\n]+\n$/);
    const shape = { error: { code: 'string', message: 'string' } };
    assert.deepEqual(differences('it', JSON.parse(stderr), shape), []);
    assert.equal((JSON.parse(stderr) as Said).error.code, 'CONFIG_MISSING');
  });

  test.each([
    { args: ['topics', '--jsno', '--json'], status: 2, code: 'OPTION_UNKNOWN' },
    { args: ['nope', '--json'], status: 2, code: 'OPTION_UNKNOWN' },
    { args: ['--json'], status: 2, code: 'OPTION_INVALID' },
    { args: ['dead', '--json'], status: 2, code: 'OPTION_INVALID' },
    { args: ['dead', 'show', 'x', '--json'], status: 3, code: 'NOT_FOUND' },
    { args: ['dead', 'show', 'x', '--outbox', '--json'], status: 3, code: 'NOT_FOUND' },
    { args: ['dead', 'redrive', 'x', 'y', '--json'], status: 3, code: 'NOT_FOUND' },
    { args: ['dead', 'redrive', 'x', '--outbox', '--json'], status: 3, code: 'NOT_FOUND' },
    { args: ['messages', 'show', 'x', '--json'], status: 3, code: 'NOT_FOUND' },
    { args: ['waiting', '--subscription', 'x', '--json'], status: 3, code: 'NOT_FOUND' },
    { args: ['publish', 'payment.requested', '{', '--json'], status: 2, code: 'DATA_INVALID' },
  ])('$args', async ({ args, status, code }) => {
    const ended = await malote(args, { cwd: full });

    assert.deepEqual([ended.status, ended.stdout], [status, '']);
    assert.equal((JSON.parse(ended.stderr) as Said).error.code, code);
  });
});

test('the outbox says how far the relay is behind', async () => {
  const { stdout } = await malote(['outbox', '--json'], { cwd: full });

  const { oldestAt, ...counts } = JSON.parse(stdout) as Record<string, number>;
  assert.deepEqual(counts, { waiting: 1, dead: 0, relayed: 0, blockedKeys: [] });
  assert.ok(oldestAt !== undefined && oldestAt <= Date.now() && oldestAt > Date.now() - 600_000);
});

test('publish reads standard input, and answers duplicate for an id that was there', async () => {
  const args = ['publish', 'payment.requested', '-', '--id', 'p-2', '--header', 'who=me'];
  const given = { cwd: full, input: '{"amount":"2.00"}' };

  const first = await malote([...args, '--json'], given);
  const second = await malote(args, given);

  assert.deepEqual(JSON.parse(first.stdout), { id: 'p-2', duplicate: false });
  assert.equal(second.stdout, 'p-2\n');
  assert.match(second.stderr, /published before/);
});

/** One that waits, two that are dead, keys that stand still, one that no relay has seen. */
async function fill(project: string): Promise<void> {
  const customer = dependency('customer');
  const Payment = message<{ amount: string; customerId: string }>('payment.requested', {
    orderBy: (payment) => payment.customerId,
    waitFor: (payment) => (payment.customerId === '5' ? customer('5') : []),
  });
  const options = { name: 'filling', handleSignals: false, logger: false } as const;
  const [engine, file] = [sqlite(join(project, 'malote.db')), join(project, 'app.db')];
  const bus = createBus({ engine, store: sqlite(file), relay: false, ...options });
  const done = [told('filling', 'dead', 2), told('filling', 'waiting', 1)];
  const retry = { attempts: 1 };
  bus.consume(Payment, { name: 'ledger', retry, onDead: 'block' }, () => {
    throw new RangeError('no money');
  });
  await bus.start();
  await bus.publish(Payment, { amount: '1.00', customerId: '5' }, { id: 'p-waiting' });
  await bus.publish(Payment, { amount: '1.00', customerId: '6' }, { id: 'p-dead' });
  await bus.publish(Payment, { amount: '1.00', customerId: '7' }, { id: 'p-dead-too' });
  await Promise.all(done);
  await bus.transaction(({ publish }) => void publish(Payment, { amount: '1', customerId: '8' }));
  await bus.stop();
}
