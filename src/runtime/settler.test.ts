/** An engine that refuses a batch while later ones are under way must not confuse a lane. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { MaloteError } from '../errors.ts';
import { settleTurns, virtualClock } from '../testing/virtual-clock.ts';
import type {
  Delivery,
  Outgoing,
  Queue,
  Settlement,
  SettleOutcome,
} from '../transport/transport.ts';
import type { Transition } from './transition.ts';
import { createSettler, type Settler } from './settler.ts';

interface Call {
  readonly ids: readonly string[];
  resolve(outcomes: readonly SettleOutcome[]): void;
  reject(error: Error): void;
}

const busy = new MaloteError('ENGINE_BUSY', 'the file is locked');

test('what was settled behind a refused batch of the same lane goes again, behind it', async () => {
  const { settler, calls, clock, answers } = create();
  settler.push(ack('m1', 1));
  await settleTurns();
  settler.push(ack('m2', 1));
  settler.push(ack('other', 2));
  await settleTurns();

  calls[0]!.reject(busy);
  await settleTurns();
  calls[1]!.resolve(['lease-lost', 'settled']);
  await settleTurns();
  assert.equal(settler.open, 2, 'both of the lane are still to be settled');
  await clock.advance(50);

  assert.deepEqual(idsOf(calls), [['m1'], ['m2', 'other'], ['m1', 'm2']]);
  calls[2]!.resolve(['settled', 'settled']);
  await settler.flush();
  assert.deepEqual([settler.open, answers], [0, []]);
});

test('several refused batches go again in their order, before what came since', async () => {
  const { settler, calls, clock } = create();
  settler.push(ack('m1', 1));
  await settleTurns();
  settler.push(ack('m2', 1));
  await settleTurns();
  calls[0]!.reject(busy);
  calls[1]!.reject(busy);
  await settleTurns();
  settler.push(ack('m3', 1));

  await clock.advance(50);

  assert.deepEqual(idsOf(calls), [['m1'], ['m2'], ['m1', 'm2', 'm3']]);
});

test('what was refused rests until everything that was sent after it is answered', async () => {
  const { settler, calls, clock } = create();
  settler.push(ack('m1', 1));
  await settleTurns();
  settler.push(ack('m2', 1));
  await settleTurns();
  calls[0]!.reject(busy);
  await clock.advance(200);
  assert.deepEqual(idsOf(calls), [['m1'], ['m2']]);

  calls[1]!.resolve(['lease-lost']);
  await settleTurns();

  assert.deepEqual(idsOf(calls), [['m1'], ['m2'], ['m1', 'm2']]);
});

test('an ack that the engine calls out of turn behind a refused batch goes again, behind it', async () => {
  const { settler, calls, clock, answers } = create();
  settler.push(ack('m1', 1));
  await settleTurns();
  settler.push(ack('m2', 1));
  settler.push(publishing('m3', 1));
  await settleTurns();

  calls[0]!.reject(busy);
  await settleTurns();
  calls[1]!.resolve(['full', 'full']);
  await settleTurns();
  assert.deepEqual([settler.open, answers], [3, []], 'nothing is concluded');
  await clock.advance(50);

  assert.deepEqual(idsOf(calls).slice(2), [['m1', 'm2', 'm3']]);
  calls[2]!.resolve(['settled', 'settled', 'settled']);
  await settler.flush();
  assert.deepEqual(answers, ['m3 settled']);
});

test('an ack that is out of turn behind one that was given up is told as lost', async () => {
  const { settler, calls, answers } = create();
  settler.push(ack('m1', 1));
  await settleTurns();
  settler.push(ack('m2', 1));
  await settleTurns();
  settler.giveUp();

  calls[0]!.reject(busy);
  await settleTurns();
  calls[1]!.resolve(['full']);
  await settler.flush();

  assert.deepEqual(answers, ['m1 lease-lost', 'm2 lease-lost']);
});

test('an engine that is busy while they are tried one by one costs no settlement', async () => {
  const { settler, calls, clock, answers } = create();
  settler.push(ack('m1', 1));
  settler.push(ack('m2', 1));
  await settleTurns();
  calls[0]!.reject(new Error('something without a name'));
  await clock.advance(50);
  calls[1]!.reject(busy);
  await clock.advance(50);
  assert.deepEqual(idsOf(calls), [['m1', 'm2'], ['m1'], ['m1']]);

  calls[2]!.resolve(['settled']);
  await settleTurns();
  calls[3]!.resolve(['settled']);
  await settler.flush();

  assert.deepEqual(idsOf(calls).slice(3), [['m2']]);
  assert.deepEqual(answers, []);
});

test('a lease that is lost while another one is refused is told at once', async () => {
  const { settler, calls, answers } = create();
  settler.push(ack('m1', 1));
  await settleTurns();
  settler.push(ack('m2', 2));
  await settleTurns();

  calls[0]!.reject(busy);
  await settleTurns();
  calls[1]!.resolve(['lease-lost']);
  await settleTurns();

  assert.deepEqual(answers, ['m2 lease-lost']);
});

test('what rests when its lease ends is told as lost at once, and the others go again', async () => {
  const { settler, calls, clock, answers } = create();
  settler.push(ack('m1', 1));
  settler.push(ack('other', 2));
  await settleTurns();
  calls[0]!.reject(busy);
  await settleTurns();
  settler.push(ack('m2', 1));
  settler.push(ack('more', 2));

  settler.lose([{ id: 1, token: 1 }]);

  assert.deepEqual([settler.open, answers], [2, ['m1 lease-lost', 'm2 lease-lost']]);
  await clock.advance(50);
  assert.deepEqual(idsOf(calls).slice(1), [['other', 'more']]);
});

test('what the engine is asked about alone when its lease ends is answered once', async () => {
  const { settler, calls, clock, answers } = create();
  for (const id of ['m1', 'm2']) settler.push(ack(id, 1));
  settler.push(ack('other', 2));
  await settleTurns();
  calls[0]!.reject(new Error('something without a name'));
  await clock.advance(50);

  settler.lose([{ id: 1, token: 1 }]);
  assert.deepEqual([settler.open, answers], [2, ['m2 lease-lost']]);
  calls[1]!.resolve(['lease-lost']);
  await settleTurns();
  calls[2]!.resolve(['settled']);
  await settler.flush();

  assert.deepEqual(idsOf(calls).slice(1), [['m1'], ['other']]);
  assert.deepEqual([settler.open, answers], [0, ['m2 lease-lost', 'm1 lease-lost']]);
});

function create(): {
  readonly settler: Settler;
  readonly calls: readonly Call[];
  readonly clock: ReturnType<typeof virtualClock>;
  readonly answers: readonly string[];
} {
  const calls: Call[] = [];
  const answers: string[] = [];
  const clock = virtualClock();
  const queue: Pick<Queue, 'settle'> = {
    settle: (batch) =>
      new Promise((resolve, reject) => {
        calls.push({ ids: batch.map(({ delivery }) => delivery.id), resolve, reject });
      }),
  };
  const settler = createSettler({
    queue: queue as Queue,
    clock,
    events: {
      heard: false,
      notify: () => undefined,
      kept: () => {},
      emit: (_transition: Transition) => undefined,
    },
    told: () => undefined,
    awaited: { has: (one) => one.kind === 'ack' && one.publish.length > 0 },
    answered: ({ delivery }, outcome) => void answers.push(`${delivery.id} ${outcome}`),
  });
  return { settler, calls, clock, answers };
}

function ack(id: string, lease: number): Settlement {
  const delivery = { id, lease: { id: lease, token: lease } } as Delivery;
  return { kind: 'ack', delivery, opens: [], publish: [] };
}

function publishing(id: string, lease: number): Settlement {
  const publish = [{ id: `after ${id}` } as Outgoing];
  return { ...ack(id, lease), publish } as Settlement;
}

function idsOf(calls: readonly Call[]): (readonly string[])[] {
  return calls.map(({ ids }) => ids);
}
