/**
 * The one way deliveries are settled: all of a turn in one batch, every answer looked at.
 *
 * An engine that cannot settle at the moment is asked again until the bus ends: the outcome of a
 * handler that has run is never dropped while its lease may still hold. Batches may be under way
 * when one before them fails; what they say about the same leases is out of turn and goes again
 * behind it, so that a lane is settled in its order whatever the engine had to refuse.
 */

import type { Clock } from '../clock.ts';
import { type ErrorCode, MaloteError } from '../errors.ts';
import type { Lease, Queue, Settlement, SettleOutcome } from '../transport/transport.ts';
import type { Events } from './events.ts';

export interface Settler {
  push(settlement: Settlement): void;
  /** Something was concluded that needs no settlement: there may be new credit to ask for. */
  stir(): void;
  /** These leases ended: what is said about them and is not under way is told as lost at once. */
  lose(leases: readonly Lease[]): void;
  /** Resolves once every settlement pushed so far was answered or given up. */
  flush(): Promise<void>;
  /** Pushed and not yet answered. */
  readonly open: number;
  /** No more second tries. */
  giveUp(): void;
  /** The engine is gone: forgets what is not answered, and whatever is pushed from now on. */
  end(): void;
}

export interface SettlerOptions {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly events: Events;
  /** Called in the turn of every batch, after it was handed over: the moment for new credit. */
  told(): void;
  /** What every outcome is awaited of, `settled` too. */
  readonly awaited: { has(settlement: Settlement): boolean };
  /** Called for every outcome but a plain `settled`, and for all that is awaited. */
  answered(settlement: Settlement, outcome: SettleOutcome): void;
}

const retryMs = 50;
const plainRetryMs = 1_000;
const unstorable = { name: 'Unstorable', message: 'the engine could not store its outcome' };

export function createSettler(options: SettlerOptions): Settler {
  const { queue, clock, events, told, awaited, answered } = options;
  let batch: Settlement[] = [];
  /** What the engine refused, in order; goes before the batch. */
  let again: Settlement[] = [];
  /** The first of {@link again}, while the engine is asked about it alone. */
  let alone: Settlement | null = null;
  let open = 0;
  /** Calls that the engine has not answered. */
  let underWay = 0;
  /** What is done about {@link again} once its rest is over and nothing is under way. */
  let cure: (() => void) | null = null;
  let scheduled = false;
  let troubled = false;
  let final = false;
  let isOver = false;
  let idle: (() => void)[] = [];

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(send);
  }

  function send(): void {
    scheduled = false;
    if (!troubled && batch.length > 0) deliver();
    told();
  }

  function deliver(): void {
    const sending = batch;
    batch = [];
    underWay += 1;
    queue.settle(sending).then(
      (outcomes) => {
        if (isOver) return;
        underWay -= 1;
        let concluded = 0;
        for (let index = 0; index < sending.length; index++) {
          const settlement = sending[index]!;
          const outcome = outcomes[index]!;
          if (isRefusal(outcome) && isOutOfTurn(settlement)) again.push(settlement);
          else {
            conclude(settlement, outcome);
            concluded += 1;
          }
        }
        closed(concluded);
        recover();
      },
      (error: unknown) => {
        if (isOver) return;
        underWay -= 1;
        trouble(sending, error);
        recover();
      },
    );
  }

  function conclude(settlement: Settlement, outcome: SettleOutcome): void {
    const publishes = settlement.kind === 'ack' && settlement.publish.length > 0;
    // What needs no room stood behind an ack that was given up, so its turn never comes.
    const answer = outcome === 'full' && !publishes ? 'lease-lost' : outcome;
    if (answer !== 'settled' || awaited.has(settlement)) answered(settlement, answer);
  }

  function isOutOfTurn({ delivery }: Settlement): boolean {
    if (again.length === 0) return false;
    return again.some((earlier) => earlier.delivery.lease.id === delivery.lease.id);
  }

  /** Keeps the order: what failed goes again before anything that came after it. */
  function trouble(sending: readonly Settlement[], error: unknown): void {
    const code = codeOf(error);
    if (!troubled) events.emit({ kind: 'engine-trouble', code, message: String(error) });
    if (final || code === 'BUS_STOPPED') {
      for (const settlement of sending) conclude(settlement, 'lease-lost');
      return closed(sending.length);
    }
    again.push(...sending);
    if (troubled) return;
    troubled = true;
    rest(isFaultOfOne(code) ? (): void => void oneByOne() : repeat);
  }

  function rest(then: () => void): void {
    clock.setTimer(() => {
      cure = then;
      recover();
    }, retryMs);
  }

  /** What is under way was sent later: were it answered first, it would be out of turn unseen. */
  function recover(): void {
    if (cure === null || underWay > 0) return;
    const next = cure;
    cure = null;
    next();
  }

  function repeat(): void {
    troubled = false;
    batch = [...again, ...batch];
    again = [];
    if (batch.length > 0) deliver();
  }

  /** It may be the fault of one settlement: the others must not share it. */
  async function oneByOne(): Promise<void> {
    while (again.length > 0) {
      const [settlement] = again;
      alone = settlement!;
      const outcome = await settleAlone(settlement!, { queue, events, isOver: () => isOver });
      alone = null;
      if (isOver) return;
      if (outcome === 'not-now' && !final) return rest(() => void oneByOne());
      again.shift();
      conclude(settlement!, outcome === 'not-now' ? 'lease-lost' : outcome);
      closed(1);
    }
    repeat();
  }

  function lose(leases: readonly Lease[]): void {
    if (again.length + batch.length === 0) return;
    const ids = new Set(leases.map(({ id }) => id));
    const isLost = (one: Settlement): boolean => one !== alone && ids.has(one.delivery.lease.id);
    const lost = [...again, ...batch].filter(isLost);
    again = again.filter((one) => !isLost(one));
    batch = batch.filter((one) => !isLost(one));
    for (const settlement of lost) conclude(settlement, 'lease-lost');
    closed(lost.length);
  }

  function closed(count: number): void {
    open -= count;
    if (open > 0) return;
    const done = idle;
    idle = [];
    for (const resolve of done) resolve();
  }

  return {
    push(settlement) {
      if (isOver) return;
      open += 1;
      batch.push(settlement);
      schedule();
    },
    lose,
    stir() {
      if (!isOver) schedule();
    },
    get open() {
      return open;
    },
    flush: () =>
      open === 0 ? Promise.resolve() : new Promise<void>((resolve) => idle.push(resolve)),
    giveUp() {
      final = true;
    },
    end() {
      isOver = true;
      batch = [];
      again = [];
      cure = null;
      closed(open);
    },
  };
}

/** What an engine may answer only because the turn of a settlement in its lane has not come. */
function isRefusal(outcome: SettleOutcome): boolean {
  return outcome === 'lease-lost' || outcome === 'full';
}

/** A failure without a name may be so, and what an ack publishes may be too large. */
function isFaultOfOne(code: ErrorCode): boolean {
  return code === 'ENGINE_FAILED' || code === 'MESSAGE_TOO_LARGE';
}

function codeOf(error: unknown): ErrorCode {
  return error instanceof MaloteError ? error.code : 'ENGINE_FAILED';
}

/**
 * What cannot be stored as it is becomes an ordinary retry; what cannot even be that is let go.
 * `not-now`: the trouble is another one, such as a busy engine, and nobody's fault.
 */
async function settleAlone(
  settlement: Settlement,
  { queue, events, isOver }: { readonly queue: Queue; readonly events: Events; isOver(): boolean },
): Promise<SettleOutcome | 'not-now'> {
  const { delivery } = settlement;
  const plain: Settlement = {
    kind: 'retry',
    delivery,
    afterMs: plainRetryMs,
    failure: unstorable,
  };
  for (const one of [settlement, plain]) {
    try {
      const [outcome] = await queue.settle([one]);
      return outcome!;
    } catch (error) {
      if (isOver()) return 'not-now';
      const code = codeOf(error);
      events.emit({ kind: 'engine-trouble', code, message: String(error) });
      if (code === 'BUS_STOPPED') return 'lease-lost';
      if (!isFaultOfOne(code)) return 'not-now';
    }
  }
  return 'lease-lost';
}
