/** Several relays of one outbox share the work, and what one leaves half done costs nothing. */
import assert from 'node:assert/strict';
import { type Engine, message, type TransitionEvent } from 'malote';
import { sqlite, type SqliteTransaction } from 'malote/sqlite';
import { onTestFinished, test } from 'vitest';
import { type Clock, systemClock } from '../../src/clock.ts';
import { assembleBus, type TestableBus } from '../../src/runtime/create-bus.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import type { Outgoing, PublishOutcome, Queue } from '../../src/transport/transport.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { none, type Place, placeIn, quiet } from './places.ts';

const folder = temporaryFolder();
const Placed = message<{ n: number; key: string }>('order.placed', { orderBy: ({ key }) => key });
/** Long enough for a turn on a crowded machine, short enough to wait for. */
const leaseMs = 1_000;

/** A queue whose answers a test has in its hands. */
type Hands = Partial<Pick<Queue, 'forward' | 'settle'>>;

function inHands(engine: Engine<SqliteTransaction>, hands: (queue: Queue) => Hands): typeof engine {
  return {
    ...engine,
    async open(host) {
      const transport = await engine.open(host);
      return { ...transport, queue: { ...transport.queue, ...hands(transport.queue) } };
    },
  };
}

interface Relaying {
  readonly clock?: Clock;
  readonly engine?: (queue: Queue) => Hands;
  readonly store?: (queue: Queue) => Hands;
}

const asItIs = (): Hands => ({});

/** A relay, in what the engines take for a process of its own. */
function relayOf(place: Place, name: string, given: Relaying = {}): TestableBus<SqliteTransaction> {
  const { clock = systemClock, engine = asItIs, store = asItIs } = given;
  let ids = 0;
  const surroundings = {
    clock,
    random: Math.random,
    newId: () => `${name}-${++ids}`,
    process: name,
  };
  const made = assembleBus<SqliteTransaction>(
    {
      engine: inHands(sqlite(place.engine), engine),
      store: inHands(sqlite(place.store), store),
      name,
      lease: leaseMs,
      ...quiet,
    },
    surroundings,
  );
  let isDead = false;
  onTestFinished(async () => {
    if (!isDead) await made.bus.stop();
  });
  return {
    ...made,
    abandon() {
      isDead = true;
      made.abandon();
    },
  };
}

/** Messages in the outbox, and no relay yet. */
async function fill(place: Place, numbers: readonly number[], keys: number): Promise<string[]> {
  await using app = place.make({ relay: false });
  return await app.transaction(({ publish }) =>
    numbers.map((n) => publish(Placed, { n, key: `k${n % keys}` }).id),
  );
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

/** Notes what a relay sends and what the target answers. */
function noting(sent: Outgoing[], outcomes: PublishOutcome[]): (queue: Queue) => Hands {
  return (queue) => ({
    async forward(batch) {
      sent.push(...batch);
      const answers = await queue.forward(batch);
      outcomes.push(...answers);
      return answers;
    },
  });
}

/** How many were relayed, as it was told. */
function messagesOf(events: readonly TransitionEvent[]): number {
  return events.reduce((sum, event) => sum + (event.kind === 'relayed' ? event.messages : 0), 0);
}

function idsOf(sent: readonly Outgoing[]): string[] {
  return sent.map(({ id }) => id);
}

test('two relays share the work: each has keys of its own, and sends them in order', async () => {
  const place = placeIn(folder);
  const ids = await fill(place, upTo(6_000), 600);
  const told = listenTo('relay-one', 'relay-two');
  let both = (): void => {};
  const areBothAtIt = new Promise<void>((resolve) => (both = resolve));
  const sent: [Outgoing[], Outgoing[]] = [[], []];
  /** Nobody sends anything before the other one has something to send. */
  const together =
    (own: Outgoing[], others: readonly Outgoing[]) =>
    (queue: Queue): Hands => ({
      async forward(batch) {
        own.push(...batch);
        if (others.length > 0) both();
        await areBothAtIt;
        return await queue.forward(batch);
      },
    });
  const one = relayOf(place, 'relay-one', { engine: together(sent[0], sent[1]) });
  const two = relayOf(place, 'relay-two', { engine: together(sent[1], sent[0]) });

  await Promise.all([one.bus.start(), two.bus.start()]);
  const relayedBy = (name: string): number =>
    messagesOf(told.all.filter(({ bus }) => bus === name));
  await told.until(() => relayedBy('relay-one') + relayedBy('relay-two') >= ids.length);

  assert.ok(relayedBy('relay-one') > 0 && relayedBy('relay-two') > 0);
  assert.deepEqual(
    [relayedBy('relay-one'), relayedBy('relay-two')],
    sent.map(({ length }) => length),
  );
  assert.deepEqual([...idsOf(sent[0]), ...idsOf(sent[1])].toSorted(), ids.toSorted());
  const order = new Map(ids.map((id, index) => [id, index]));
  for (const own of sent) {
    const last = new Map<string, number>();
    for (const { id, key } of own) {
      assert.ok(order.get(id)! > (last.get(key!) ?? -1), `${id} of ${key} came too late`);
      last.set(key!, order.get(id)!);
    }
  }
});

test('what a relay that died had sent and not marked is sent again, and is there once', async () => {
  const place = placeIn(folder);
  const told = listenTo('heir');
  const ids = await fill(place, upTo(6), 2);
  let confirmed = (): void => {};
  const isConfirmed = new Promise<void>((resolve) => (confirmed = resolve));
  const dying = relayOf(place, 'dying', {
    store: () => ({
      settle() {
        confirmed();
        return new Promise(() => {});
      },
    }),
  });
  await dying.bus.start();
  await isConfirmed;
  dying.abandon();

  const outcomes: PublishOutcome[] = [];
  const sent: Outgoing[] = [];
  const { bus } = relayOf(place, 'heir', { engine: noting(sent, outcomes) });
  const seen: number[] = [];
  bus.consume(Placed, { name: 'orders' }, ({ data }) => void seen.push(data.n));
  await bus.start();
  await told.count('acked', 6);
  await told.until((all) => messagesOf(all) >= 6);

  assert.deepEqual(idsOf(sent).toSorted(), ids.toSorted());
  assert.deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(['duplicate']));
  const odd = (n: number): boolean => n % 2 === 1;
  assert.deepEqual(seen.filter(odd), [1, 3, 5]);
  assert.deepEqual(
    seen.filter((n) => !odd(n)),
    [2, 4, 6],
  );
  assert.deepEqual(await bus.outbox.stats(), { ...none, relayed: 6 });
});

test('a relay that wakes up after its lease repeats what others sent, and changes nothing', async () => {
  const place = placeIn(folder);
  const told = listenTo('heir');
  const ids = await fill(place, [1, 2, 3], 1);
  let wake = (): void => {};
  const isAwake = new Promise<void>((resolve) => (wake = resolve));
  let asleep = (): void => {};
  const isAsleep = new Promise<void>((resolve) => (asleep = resolve));
  const answers: PublishOutcome[] = [];
  const marks: string[] = [];
  let marked = (): void => {};
  const areMarked = new Promise<void>((resolve) => (marked = resolve));
  /** Its clock stands still: it renews no lease. */
  const zombie = relayOf(place, 'zombie', {
    clock: virtualClock(Date.now()),
    engine: (queue) => ({
      async forward(batch) {
        asleep();
        await isAwake;
        const outcomes = await queue.forward(batch);
        answers.push(...outcomes);
        return outcomes;
      },
    }),
    store: (queue) => ({
      async settle(batch) {
        const outcomes = await queue.settle(batch);
        marks.push(...outcomes);
        marked();
        return outcomes;
      },
    }),
  });
  const zombieTold = listenTo('zombie');
  await zombie.bus.start();
  await isAsleep;

  const { bus } = relayOf(place, 'heir');
  const seen: number[] = [];
  bus.consume(Placed, { name: 'orders' }, ({ data }) => void seen.push(data.n));
  await bus.start();
  await fill(place, [4, 5], 1);
  await told.count('acked', 5);
  wake();
  await areMarked;
  // From here on it is a relay like any other.
  const [late, lateMarks] = [answers.slice(), marks.slice()];
  await fill(place, [6], 1);
  await told.count('acked', 6);

  assert.deepEqual(
    late.map(({ kind }) => kind),
    ['duplicate', 'duplicate', 'duplicate'],
  );
  assert.deepEqual(new Set(lateMarks), new Set(['lease-lost']));
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6]);
  const toldOf = zombieTold.all.flatMap((event) => (event.kind === 'relayed' ? event.ids : []));
  assert.deepEqual(
    ids.filter((id) => toldOf.includes(id)),
    [],
  );
});
