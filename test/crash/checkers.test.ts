/**
 * A checker is believed once it has caught a fault: the history here is sound, and each test plants
 * one fault in it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { recordOf, type Subscribed } from './campaign-record.ts';
import type { Announced, Entry, Line } from './history.ts';
import { examine } from './verdict.ts';

const subscriptions: readonly Subscribed[] = [
  { name: 'billing', topic: 'order.placed', isOrdered: true, waits: true },
  { name: 'following', topic: 'order.followed', isOrdered: true, waits: true },
];
const terms = {
  slots: { billing: 2, following: 2 },
  leaseMs: 300,
  backoffMs: 5,
  staging: { by: 'billing', into: 'following' },
  isAtomic: true,
  isFenced: true,
  passing: ['ENGINE_BUSY'],
};

interface Ran {
  readonly label: string;
  /** Milliseconds. */
  readonly from: number;
  readonly to?: number;
  readonly as?: 'end' | 'fail' | 'wait';
  readonly attempt?: number;
  readonly process?: string;
  readonly subscription?: string;
  readonly id?: string;
  readonly stagedBy?: number;
}

const inHand = 5;

const sound: readonly Entry[] = [
  { process: 'worker-1.1', line: { f: 'in-hand', at: 0, messages: 1 } },
  { process: 'worker-1.1', line: { f: 'in-hand', at: 1, messages: inHand } },
  { process: 'worker-1.1', line: { f: 'in-hand', at: 2, messages: 2 } },
  ...published(
    'publisher-1.1',
    0,
    { label: 'a1', followed: true },
    { label: 'a2', waits: ['fact'] },
  ),
  ...published('publisher-2.1', 10, { label: 'a3', delayMs: 30 }, { label: 'a4', asks: 'asked' }),
  ...fulfilled(20, 'fact', 'asked'),
  ...ran({ label: 'a1', from: 11, to: 12, as: 'fail' }),
  ...ran({ label: 'a1', from: 18, to: 19, attempt: 2 }),
  ...ran({ label: 'a1+', from: 20, to: 21, subscription: 'following', stagedBy: 2 }),
  ...ran({ label: 'a2', from: 30, to: 31 }),
  ...ran({ label: 'a3', from: 42, to: 43 }),
  ...ran({ label: 'a4', from: 32, to: 33, as: 'wait' }),
  ...ran({ label: 'a4', from: 34, to: 35 }),
];

test('a sound history has nothing to say about', () => {
  assert.deepEqual(found(sound), {});
});

test('what a killed process held may run again', () => {
  const again = { label: 'a4', from: 60, to: 61, attempt: 2, process: 'worker-2.1' };
  assert.deepEqual(found([...sound, killed('worker-1.1', 50), ...ran(again)]), {});
});

test('a killed process may repeat as many as it had in hand', () => {
  const history = [...sound, killed('worker-1.1', 1_400), ...manyRepeated(inHand)];
  assert.deepEqual(found(history), {});
});

test('what a killed process had been told it lost was not in its hand any more', () => {
  const subscription = 'billing';
  const line: Line = { f: 'lease-lost', at: 1_300_000, subscription, id: 'id of r0' };
  const history = [...sound, killed('worker-1.1', 1_400), ...manyRepeated(inHand + 1)];
  assert.deepEqual(found([...history, { process: 'worker-1.1', line }]), {});
});

function lostConnection(process: string, at: number, why: string): Entry {
  const message = `the connection to amqp://127.0.0.1 was lost (${why}); connecting again`;
  return { process, line: { f: 'trouble', at: at * 1_000, code: 'ENGINE_BUSY', message } };
}

test('what a process held may run again when it lost its connection, unless it ended that itself', () => {
  const again = { label: 'a4', from: 6_000, to: 6_001, attempt: 2, process: 'worker-2.1' };
  const lost = (at: number, why: string): object =>
    found([...sound, ...ran(again), lostConnection('worker-1.1', at, why)]);
  assert.deepEqual(lost(5_900, 'read ECONNRESET'), {});
  assert.deepEqual(lost(5_900, 'Heartbeat timeout'), {});
  const unexplained = ['unexplained duplicates'];
  assert.deepEqual(Object.keys(lost(5_900, 'partition 3 is not read')), unexplained);
  assert.deepEqual(Object.keys(lost(12_000, 'read ECONNRESET')), unexplained);
});

test('a connection that was cut explains what comes after the cut, and nothing before it', () => {
  const again = { label: 'a4', from: 900, to: 901, attempt: 2, process: 'worker-2.1' };
  const cut: Line = { f: 'break', at: 1_000_000, until: 1_001_000, process: 'worker-1.1' };
  const heard = lostConnection('worker-1.1', 1_002, 'read ECONNRESET');
  const history = [...sound, ...ran(again), { process: 'supervisor', line: cut }, heard];
  assert.deepEqual(Object.keys(found(history)), ['unexplained duplicates']);
});

test('a process that was killed may not have heard any more that its lease had ended', () => {
  const again = { label: 'a4', from: 60, to: 61, attempt: 2, process: 'worker-2.1' };
  assert.deepEqual(found([...sound, killed('worker-1.1', 350), ...ran(again)]), {});
  assert.deepEqual(Object.keys(found([...sound, killed('worker-1.1', 400), ...ran(again)])), [
    'unexplained duplicates',
  ]);
});

test('a process that slept through its lease may run what it held, once it is told so', () => {
  const zombie = { label: 'a4', from: 60, to: 61, process: 'worker-2.1' };
  const at = 61_500;
  const line: Line = { f: 'lease-lost', at, subscription: 'billing', id: 'id of a4' };
  assert.deepEqual(found([...sound, ...ran(zombie), { process: 'worker-2.1', line }]), {});
});

test('a process that slept may run a whole lane that another one is at by then', () => {
  const zombie = 'worker-2.1';
  const lost = (label: string, atMs: number): Entry => {
    const line = { f: 'lease-lost', at: atMs * 1_000, subscription: 'billing' } as const;
    return { process: zombie, line: { ...line, id: `id of ${label}` } };
  };
  const history = [
    ...sound,
    ...published('publisher-1.1', 50, { label: 'b1' }, { label: 'b2' }),
    ...ran({ label: 'b1', from: 400, to: 401, attempt: 2 }),
    ...ran({ label: 'b1', from: 402, to: 403, process: zombie }),
    ...ran({ label: 'b2', from: 404, to: 405, process: zombie }),
    ...ran({ label: 'b2', from: 410, to: 411 }),
  ];

  assert.deepEqual(found([...history, lost('b1', 420), lost('b2', 420)]), {});
  assert.deepEqual(Object.keys(found(history)), ['attempts', 'unexplained duplicates']);
});

describe('where a server may forget acks, a start is not counted', () => {
  const [killer, heir] = ['worker-1.2', 'worker-2.1'];
  const publishing = published('publisher-1.1', 50, { label: 'b1' }, { label: 'b2' });
  const history = (done: Pick<Ran, 'from' | 'to'>, ...again: readonly Ran[]): Entry[] => [
    ...sound,
    ...publishing,
    ...ran({ label: 'b1', process: killer, ...done }),
    ...ran({ label: 'b2', from: 62, process: killer }),
    killed(killer, 70),
    ...again.flatMap((run) => ran({ ...run, process: heir })),
    ...ran({ label: 'b2', from: 82, to: 83, process: heir }),
  ];
  const before = { from: 60, to: 61 };
  const repeated = { label: 'b1', from: 80, to: 81 };
  const foundOf = (entries: readonly Entry[], isAtomic = false): string[] =>
    Object.keys(found(entries, { isAtomic }));

  test('behind one whose ack was forgotten', () => {
    assert.deepEqual(foundOf(history(before, repeated)), []);
    assert.ok(foundOf(history(before, repeated), true).includes('attempts'));
  });

  test('and nowhere else', () => {
    assert.deepEqual(foundOf(history(before)), ['attempts']);
    const doneBehind = { from: 63, to: 64 };
    assert.ok(foundOf(history(doneBehind, repeated)).includes('attempts'));
    const repeatedBehind = { ...repeated, from: 84, to: 85 };
    assert.ok(foundOf(history(before, repeatedBehind)).includes('attempts'));
  });
});

describe('a process that lost its connections', () => {
  const again = { label: 'a4', from: 600, to: 601, process: 'worker-2.1' };
  const cut = (process: string | null): Entry => ({
    process: 'supervisor',
    line: { f: 'break', at: 50_000, until: 51_000, process },
  });
  const repeated = ['attempts', 'unexplained duplicates'];

  test.each([['worker-1.1'], [null]])('may see what it held run again: %s', (process) => {
    assert.deepEqual(found([...sound, cut(process), ...ran(again)]), {});
  });

  test('explains nothing of what another one held, or of what ran again before', () => {
    assert.deepEqual(
      Object.keys(found([...sound, cut('worker-2.1'), ...ran(again)])).toSorted(),
      repeated.toSorted(),
    );
    const before = { ...again, from: 48, to: 49 };
    assert.deepEqual(
      Object.keys(found([...sound, cut('worker-1.1'), ...ran(before)])).toSorted(),
      repeated.toSorted(),
    );
  });
});

const faults: Readonly<
  Record<string, { readonly history: readonly Entry[]; readonly by: string }>
> = {
  'an accepted message that was never done': { by: 'lost', history: without('a1') },
  'one that is lost in one of its subscriptions': { by: 'lost', history: without('a1+') },
  'one whose fact is there and that waits on': { by: 'stuck', history: without('a2') },
  'one that was refused and ran': {
    by: 'unexpected',
    history: [
      ...sound,
      ...published('publisher-1.2', 50, { label: 'b1', outcome: 'refused' }),
      ...ran({ label: 'b1', from: 55, to: 56 }),
    ],
  },
  'one that nobody published': {
    by: 'unexpected',
    history: [...sound, ...ran({ label: 'ghost', from: 55, to: 56 })],
  },
  'one that started before the one before it was done': {
    by: 'out of order',
    history: [...without('a2'), ...ran({ label: 'a2', from: 9, to: 10 }), ...fulfilled(5, 'fact')],
  },
  'one that overtook the message of another publisher': {
    by: 'out of order',
    history: [...without('a4'), ...ran({ label: 'a4', from: 21, to: 22 })],
  },
  'follow-ups in another order than what they follow': {
    by: 'out of order',
    history: [
      ...sound,
      ...published('publisher-1.1', 60, { label: 'b1', followed: true }),
      ...ran({ label: 'b1', from: 61, to: 62 }),
      ...ran({ label: 'b1+', from: 19, to: 20, subscription: 'following', stagedBy: 1 }),
    ],
  },
  'two of one key at once': {
    by: 'overlapping',
    history: [...without('a3'), ...ran({ label: 'a3', from: 42, to: 60 }), ...late('a5', 50)],
  },
  'one that came before its delay was over': {
    by: 'early',
    history: [...without('a3'), ...ran({ label: 'a3', from: 36, to: 37 })],
  },
  'one that came before its fact': {
    by: 'early',
    history: [...without('a2'), ...ran({ label: 'a2', from: 19.5, to: 19.6 })],
  },
  'one that went on although its handler waited': {
    by: 'early',
    history: [
      ...without('a4').filter(({ line }) => line.f !== 'fulfil' && line.f !== 'fulfilled'),
      ...fulfilled(20, 'fact'),
      ...fulfilled(39, 'asked'),
      ...ran({ label: 'a4', from: 34, to: 35 }),
    ],
  },
  'one that was tried again within its back-off': {
    by: 'early',
    history: [
      ...sound,
      ...late('b1', 60, 'fail'),
      ...ran({ label: 'b1', from: 62, to: 63, attempt: 2 }),
    ],
  },
  'one publish that became two messages': {
    by: 'doubled',
    history: [
      ...sound,
      killed('worker-1.1', 50),
      ...ran({ label: 'a4', from: 60, to: 61, attempt: 2, id: 'other', process: 'worker-2.1' }),
    ],
  },
  'what a failed attempt published': {
    by: 'staged',
    history: [
      ...without('a1+'),
      ...ran({ label: 'a1+', from: 20, to: 21, subscription: 'following', stagedBy: 1 }),
    ],
  },
  'two starts with one attempt': {
    by: 'attempts',
    history: [
      ...sound,
      killed('worker-1.1', 50),
      ...ran({ label: 'a4', from: 60, to: 61, process: 'worker-2.1' }),
    ],
  },
  'one that was done and ran again for no reason': {
    by: 'unexplained duplicates',
    history: [...sound, ...ran({ label: 'a4', from: 60, to: 61, attempt: 2 })],
  },
  'a kill that repeats more than a process had in hand': {
    by: 'unexplained duplicates',
    history: [...sound, killed('worker-1.1', 1_400), ...manyRepeated(inHand + 1)],
  },
  'trouble with the engine': {
    by: 'trouble',
    history: [
      ...sound,
      { process: 'worker-1.1', line: { f: 'trouble', at: 0, code: 'ENGINE_CORRUPT', message: '' } },
    ],
  },
};

describe('the checkers find', () => {
  test.each(Object.entries(faults))('%s', (_title, { history, by }) => {
    assert.ok(by in found(history), JSON.stringify(found(history)));
  });
});

function found(
  history: readonly Entry[],
  given: Partial<typeof terms> = {},
): Readonly<Record<string, readonly string[]>> {
  return examine(recordOf(history, subscriptions), { ...terms, ...given }).findings;
}

function published(
  process: string,
  atMs: number,
  ...given: readonly (Partial<Announced> & { label: string; outcome?: 'accepted' | 'refused' })[]
): Entry[] {
  const usual = { topic: 'order.placed', key: 'k', delayMs: 0, waits: [], asks: null };
  const messages = given.map((one) => ({ ...usual, followed: false, ...one }));
  const at = atMs * 1_000;
  return [
    { process, line: { f: 'publish', at, messages } },
    ...given.map(({ label, outcome = 'accepted' }): Entry => {
      const code = outcome === 'accepted' ? null : 'QUEUE_FULL';
      return { process, line: { f: 'published', at: at + 500, label, outcome, code } };
    }),
  ];
}

function fulfilled(atMs: number, ...facts: readonly string[]): Entry[] {
  const at = atMs * 1_000;
  return (['fulfil', 'fulfilled'] as const).map((f) => ({
    process: 'publisher-1.1',
    line: { f, at, facts },
  }));
}

function ran(run: Ran): Entry[] {
  const { label, from, to, as = 'end', process = 'worker-1.1', stagedBy = null } = run;
  const { attempt = 1, subscription = 'billing', id = `id of ${label}` } = run;
  const about = { label, attempt, subscription, id };
  const start: Line = { f: 'start', at: from * 1_000, ...about, stagedBy };
  if (to === undefined) return [{ process, line: start }];
  return [
    { process, line: start },
    { process, line: { f: as, at: to * 1_000, ...about } },
  ];
}

function killed(process: string, atMs: number): Entry {
  return { process: 'supervisor', line: { f: 'kill', at: atMs * 1_000, process } };
}

/** A further message of the key and its run. */
function late(label: string, atMs: number, as: 'end' | 'fail' = 'end'): Entry[] {
  const publishing = published('publisher-1.1', atMs - 5, { label });
  return [...publishing, ...ran({ label, from: atMs, to: atMs + 1, as })];
}

/** The sound history without the runs of one message. */
function without(label: string): Entry[] {
  return sound.filter(
    ({ line }) => !('subscription' in line && 'label' in line && line.label === label),
  );
}

/** Messages done at a slow rate, all of them repeated after the kill. */
function manyRepeated(count: number): Entry[] {
  return Array.from({ length: count }, (_, index) => {
    const label = `r${index}`;
    const at = 70 + index * 10;
    const again = { label, from: 1_500 + index * 10, to: 1_501 + index * 10, attempt: 2 };
    return [...late(label, at), ...ran({ ...again, process: 'worker-2.1' })];
  }).flat();
}
