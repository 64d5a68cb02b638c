/** The doctor refuses what would break a promise, and warns of what is given up or stands still. */
import assert from 'node:assert/strict';
import { type Engine, message, type OutboxStats, type SubscriptionView } from 'malote';
import { memory } from 'malote/memory';
import { describe, test } from 'vitest';
import { findingsOf } from '../../src/cli/findings.ts';
import type { Config } from '../../src/cli/index.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { exporting, malote, projectIn, started } from './project.ts';

const folder = temporaryFolder();

const lasting = (change: Partial<Engine['capabilities']> = {}): Engine => ({
  ...memory(),
  capabilities: {
    ...memory().capabilities,
    survives: 'power-loss',
    factsSurvive: 'power-loss',
    transactions: true,
    ...change,
  },
});

const stats: SubscriptionView['stats'] = {
  oldestAt: null,
  depth: 0,
  scheduled: 0,
  ready: 0,
  leased: 0,
  retrying: 0,
  waiting: 0,
  dead: 0,
  done: 0,
  cancelled: 0,
};

const idle: OutboxStats = { waiting: 0, oldestAt: null, dead: 0, relayed: 0, blockedKeys: [] };

const ledger: SubscriptionView = {
  name: 'ledger',
  topics: ['payment'],
  order: 'key',
  onDead: 'skip',
  waits: true,
  waitingDeadlineMs: 1,
  waitingOrder: 'hold',
  maxDepth: 100,
  from: 'kept',
  replace: false,
  paused: false,
  stats,
  blockedKeys: [],
  consumers: 1,
  partitions: null,
};

const Payment = message<{ id: string }>('payment', {
  orderBy: ({ id }) => id,
  waitFor: () => [],
  dedupe: ({ id }) => id,
});

interface Case {
  readonly title: string;
  readonly config?: Partial<Config>;
  readonly subscription?: Partial<SubscriptionView>;
  readonly outbox?: Partial<OutboxStats>;
  /** Each as `level: beginning of the sentence`. */
  readonly finds: readonly string[];
}

const same = lasting();

const cases: readonly Case[] = [
  { title: 'all is well', finds: [] },
  {
    title: 'dedupe on an engine that forgets',
    config: { engine: lasting({ dedupe: false }) },
    finds: ['refused: payment has dedupe'],
  },
  {
    title: 'a store without transactions',
    config: { store: lasting({ transactions: false }) },
    finds: ['refused: the store (memory) is no database'],
  },
  {
    title: 'a store that is the engine',
    config: { engine: same, store: same },
    finds: ['warning: the store is the engine'],
  },
  {
    title: 'an engine that survives nothing',
    config: { engine: lasting({ survives: 'nothing' }) },
    finds: ['warning: messages are lost when the process ends'],
  },
  {
    title: 'an engine that a power loss hurts',
    config: { engine: lasting({ survives: 'process-crash' }) },
    finds: ['warning: a power loss may take the messages'],
  },
  {
    title: 'facts that survive less than what waits for them',
    config: { engine: lasting({ factsSurvive: 'process-crash' }) },
    finds: ['warning: a power loss may take the last facts, and payment waits'],
  },
  {
    title: 'such facts with a store that keeps them',
    config: {
      engine: lasting({ factsSurvive: 'process-crash', atomicSettle: false }),
      store: lasting({ keepsFacts: true }),
    },
    finds: [],
  },
  {
    title: 'a type that nobody takes',
    subscription: { topics: ['refund'] },
    finds: ['warning: nobody subscribes to payment'],
  },
  {
    title: 'order and waiting given up',
    subscription: { order: 'none', waits: false },
    finds: ['warning: ledger gives up the order', 'warning: ledger does not wait'],
  },
  {
    title: 'what stands still',
    subscription: { paused: true, blockedKeys: ['5'], stats: { ...stats, depth: 90, dead: 2 } },
    finds: [
      'warning: ledger is paused',
      'warning: keys of ledger stand still behind a dead letter (5): malote dead list',
      'warning: ledger has 2 dead',
      'warning: ledger is nearly full: 90 of 100',
    ],
  },
  {
    title: 'a subscription that holds messages and has no worker',
    subscription: { consumers: 0, stats: { ...stats, depth: 3 } },
    finds: [
      'warning: ledger holds 3 and has no worker: start a process that consumes it, ' +
        "or delete it with all that it holds: bus.unsubscribe('ledger')",
    ],
  },
  {
    title: 'what the engine refused of the outbox',
    outbox: { dead: 2, blockedKeys: ['7'] },
    finds: [
      'warning: keys of the outbox stand still behind what the engine refused (7): malote dead',
      'warning: the engine refused 2 of the outbox: malote dead list --outbox',
    ],
  },
  {
    title: 'a subscription that holds nothing and has no worker yet',
    subscription: { consumers: 0 },
    finds: [],
  },
];

test.each(cases)('$title', ({ config, subscription, outbox, finds }) => {
  const findings = findingsOf(
    { engine: lasting(), messages: [Payment], ...config },
    { subscriptions: [{ ...ledger, ...subscription }], outbox: { ...idle, ...outbox } },
  );

  const told = findings.map(({ level, sentence }) => `${level}: ${sentence}`);
  assert.equal(told.length, finds.length, told.join('\n'));
  for (const [at, start] of finds.entries()) assert.ok(told[at]?.startsWith(start), told[at]);
});

describe('as a process', () => {
  test('it ends with 8 and says why, where a promise would be broken', async () => {
    const types = `messages: [message<{ id: string }>('a', { dedupe: ({ id }) => id })]`;
    const broker = exporting(`memory({ shape: 'partitions' })`, types);
    const cwd = projectIn(folder, 'broken', broker);

    const { status, stdout, stderr } = await malote(['doctor', '--json'], { cwd });

    assert.equal(status, 8, stderr);
    assert.match(stderr, /^refused: a has dedupe/m);
    const { promises } = JSON.parse(stdout) as {
      readonly promises: readonly { readonly id: string; readonly without: readonly object[] }[];
    };
    const identity = promises.find(({ id }) => id === 'G2');
    assert.ok((identity?.without ?? []).length > 0, 'what is not remembered is not promised');
  });

  test('it says of each promise which of the sentences above limit it', async () => {
    const cwd = projectIn(folder, 'forgetful', exporting(`memory({ shape: 'partitions' })`, ''));

    const { stdout } = await malote(['doctor'], { cwd });

    const numbered = (text: string): string | undefined =>
      new RegExp(`^ +(\\d+) ${text}`, 'm').exec(stdout)?.[1];
    const fencing = numbered('A process that stood still for too long may act');
    const settling = numbered('What a handler publishes is stored before its message ends');
    const given = 'G3 {2}every subscription is given each of its messages';
    assert.match(stdout, new RegExp(`${given}: yes, but see ${fencing} and ${settling}$`, 'm'));
    assert.match(stdout, /G8 {2}what fails for good is kept as a dead letter: yes$/m);
  });

  const poor = `((all) => ({ ...all, capabilities: { ...all.capabilities, coordination: false } }))(
    memory({ shape: 'partitions' }))`;

  test.each([
    {
      name: 'alone',
      rest: '',
      G2: 'no, it would be stored twice; a store remembers it',
      G4: 'no, without a store an inbox is refused',
      G5: 'yes, but see #',
      G13: 'no, without a store bus.lock and bus.cache are refused',
    },
    {
      name: 'stored',
      rest: `store: sqlite('malote.db')`,
      G2: 'yes, by the store',
      G4: 'yes, by the store',
      G5: 'yes',
      G13: 'yes, by the store',
    },
  ])('what takes a store is a plain yes or no: $name', async ({ name, rest, ...expected }) => {
    const cwd = projectIn(folder, name, exporting(poor, rest));
    await started(cwd);

    const { stdout, stderr } = await malote(['doctor'], { cwd });

    const answers = [...stdout.matchAll(/^ {2}(G2|G4|G5|G13) +[^:]*: (.*)$/gm)];
    assert.deepEqual(
      answers.map(([, , answer = '']) => answer.replace(/\d+/, '#')),
      Object.values(expected),
      stderr,
    );
    const lacks = /^ +\d+ Without a store no publish is part of a transaction/m.test(stdout);
    assert.equal(lacks, rest === '');
  });

  test('what it found stands at the end, behind how much it is', async () => {
    const types = `messages: [message<{ id: string }>('a', { dedupe: ({ id }) => id })]`;
    const cwd = projectIn(folder, 'ended', exporting(`memory({ shape: 'partitions' })`, types));

    const { stdout } = await malote(['doctor'], { cwd });

    const last = stdout.trimEnd().split('\n').slice(-4);
    assert.equal(last[0], 'findings: 1 refused, 2 warnings');
    assert.deepEqual(
      last.slice(1).map((line) => line.split(':')[0]),
      ['  warning', '  warning', '  refused'],
    );
  });

  test('it says what the engine promises, in words', async () => {
    const cwd = projectIn(folder, 'sound', exporting(`sqlite('malote.db')`, ''));
    await started(cwd);

    const { status, stdout, stderr } = await malote(['doctor'], { cwd });

    assert.equal(status, 0, stderr);
    assert.match(stdout, /^engine sqlite, sqlite:.*malote\.db$/m);
    assert.match(stdout, /^ {3}1 Accepted messages survive crashes and power loss\.$/m);
    assert.match(stdout, /^ {2}G5 {2}the messages of a key are handled in their order: yes$/m);
    assert.match(stdout, /^ {2}G16 what happens to messages can be seen: yes$/m);
    const numbers = [...stdout.matchAll(/^ {2}G(\d+) /gm)].map(([, number]) => Number(number));
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => at + 1),
      'no number is left out',
    );
    assert.match(stdout, /^ {2}G15 .*: no, schedules are not in this version$/m);
    assert.match(stdout, /\n\nfindings: none\n$/);
  });
});
