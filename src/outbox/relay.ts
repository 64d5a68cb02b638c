/**
 * The relay: moves rows of the outbox to the target, in the order of each key.
 *
 *     granted ─▶ waiting ─▶ forwarded ─▶ confirmed ─▶ acked
 *                               │
 *                               └─ no room, or not now: its key rests │ no answer: all go back
 *                                  refused for what it is: dead, and its key goes on or is blocked
 *
 * A row is acked only once its message was confirmed. One batch is forwarded at a time, and in it
 * nothing behind one of the same key that was not stored: so a key that rests, or is blocked by its
 * dead head, has sent nothing after it. What a relay that died, or that was
 * frozen past its lease, sends twice the target recognises by its id.
 */

import { sleep, type Clock } from '../clock.ts';
import type { ErrorCode, MaloteError } from '../errors.ts';
import { type Backoff, delayMs, exponential } from '../policy/backoff.ts';
import type {
  Consumption,
  DeadReason,
  Delivery,
  Failure,
  Lease,
  Outgoing,
  PublishOutcome,
  Queue,
  Settlement,
  SettleOutcome,
} from '../transport/transport.ts';
import { fromRow, outboxName } from './row.ts';
import { createWindow } from './window.ts';

export interface RelayDoors {
  /** Of the store. */
  readonly source: Queue;
  /** Of the engine, opened when it is needed. */
  readonly target: () => Promise<Queue>;
  /** Whether the target recognises ids. */
  readonly remembers: boolean;
  readonly clock: Clock;
  readonly random: () => number;
  /** Messages were confirmed by the target; the oldest was accepted `lagMs` ago. */
  relayed(ids: readonly string[], lagMs: number): void;
  /** The target will never take this one. */
  refused(row: Delivery, reason: DeadReason, failure: Failure | null): void;
  /** Target or store cannot be reached at the moment. */
  trouble(error: unknown): void;
}

export interface Relay {
  start(): void;
  /** Takes no more rows, waits for what is on its way, gives the rest back. */
  stop(): Promise<void>;
  /** The store or the engine is over: nothing is tried again. */
  fail(): void;
  /** Above 0 while something is on its way. */
  readonly held: number;
}

/** Rows that are forwarded at a time. */
export const batchSize = 2_000;
/** A key whose target has no room. */
const fullBackoff: Backoff = exponential('50ms', { max: '5s', jitter: 'equal' });
/** The whole target, or the store, does not answer. */
const troubleBackoff: Backoff = exponential('100ms', { max: '10s', jitter: 'equal' });

export function createRelay(doors: RelayDoors): Relay {
  const { source, target, clock, random } = doors;
  const window = createWindow(2 * batchSize);
  let waiting: Delivery[] = [];
  let consumption: Consumption | null = null;
  /** Granted and neither settled nor given back. */
  let outstanding = 0;
  let [failures, settling] = [0, 0];
  let [resting, stopping, forwarding] = [false, false, false];
  let idle: (() => void)[] = [];

  function grant(): void {
    if (consumption === null || stopping || resting) return;
    const more = window.size - outstanding;
    if (more < window.size / 4) return;
    outstanding += more;
    consumption.grant(more);
  }

  async function pump(): Promise<void> {
    if (forwarding) return;
    forwarding = true;
    while (waiting.length > 0 && !stopping && !resting) {
      const sending = waiting.slice(0, batchSize);
      waiting = waiting.slice(batchSize);
      await forward(sending);
    }
    forwarding = false;
    if (stopping) giveBack([]);
    rest();
  }

  async function forward(rows: readonly Delivery[]): Promise<void> {
    const read = readRows(rows);
    const outgoing = read.flatMap((one) => ('message' in one ? [one.message] : []));
    let outcomes: readonly PublishOutcome[];
    try {
      outcomes = await (await target()).forward(outgoing);
    } catch (error) {
      failures += 1;
      doors.trouble(error);
      pause();
      return giveBack(rows);
    }
    failures = 0;
    conclude(rows, answersOf(read, outcomes));
  }

  /** Behind a row that cannot be read nothing of its key is sent: its answer is theirs. */
  function readRows(rows: readonly Delivery[]): readonly Read[] {
    const now = clock.now();
    const unreadable = new Map<string, Read>();
    return rows.map((row) => {
      const { key } = row;
      const read = (key === null ? undefined : unreadable.get(key)) ?? readRow(row, now);
      if (key !== null && 'invalid' in read) unreadable.set(key, read);
      return read;
    });
  }

  function readRow(row: Delivery, now: number): Read {
    try {
      return { message: fromRow(row, { now, remembers: doors.remembers }) };
    } catch (error) {
      return { invalid: error as MaloteError };
    }
  }

  /** What became of each row, settled in the order of its lane. */
  function conclude(rows: readonly Delivery[], answers: readonly Answer[]): void {
    const ended = new Set<number>();
    const settlements: Settlement[] = [];
    rows.forEach((row, index) => {
      // Behind one that ended its lease: the store has it back already.
      if (ended.has(row.lease.id)) return;
      const settlement = settlementOf(row, answers[index]!);
      settlements.push(settlement);
      if (settlement.kind !== 'ack' && row.key !== null) ended.add(row.lease.id);
    });
    drop(ended);
    void settle(settlements, rows.length);
  }

  /** Told once the store knows it: what a relay died before is told by the next one. */
  function tell(settlements: readonly Settlement[], outcomes: readonly SettleOutcome[]): void {
    const relayed: string[] = [];
    let oldest = Number.POSITIVE_INFINITY;
    settlements.forEach((settlement, index) => {
      if (outcomes[index] !== 'settled') return;
      const { kind, delivery } = settlement;
      if (kind === 'dead-letter') {
        const { reason, failure } = settlement;
        doors.refused(delivery, reason, failure);
      }
      if (kind !== 'ack') return;
      relayed.push(delivery.id);
      oldest = Math.min(oldest, delivery.acceptedAt);
    });
    if (relayed.length > 0) doors.relayed(relayed, Math.max(0, clock.now() - oldest));
  }

  function settlementOf(delivery: Delivery, answer: Answer): Settlement {
    switch (answer.kind) {
      case 'stored':
      case 'duplicate':
        return { kind: 'ack', delivery, opens: [], publish: [] };
      case 'full': {
        const message = `subscription "${answer.subscription}" is full`;
        return retry(delivery, { name: 'QUEUE_FULL', message });
      }
      case 'indeterminate':
        return retry(delivery, failureOf(answer.error));
      case 'refused':
        return isItsFault(answer.error)
          ? bury(delivery, 'refused-by-target', answer.error)
          : retry(delivery, failureOf(answer.error));
      case 'invalid':
        return bury(delivery, 'invalid', answer.error);
    }
  }

  function bury(delivery: Delivery, reason: DeadReason, error: MaloteError): Settlement {
    const attempts = delivery.attempt;
    return { kind: 'dead-letter', delivery, reason, failure: failureOf(error), attempts };
  }

  function retry(delivery: Delivery, failure: Failure): Settlement {
    const afterMs = delayMs(fullBackoff, delivery.attempt, random());
    return { kind: 'retry', delivery, afterMs, failure };
  }

  /** Everything that is here goes back unspent: another relay may reach the target. */
  function giveBack(rows: readonly Delivery[]): void {
    const all = [...rows, ...waiting];
    waiting = [];
    const ended = new Set<number>();
    const releases: Settlement[] = [];
    for (const delivery of all) {
      if (ended.has(delivery.lease.id)) continue;
      if (delivery.key !== null) ended.add(delivery.lease.id);
      releases.push({ kind: 'release', delivery, afterMs: 0 });
    }
    void settle(releases, all.length);
  }

  /** Forgets what stands behind a lease that has ended. */
  function drop(ended: ReadonlySet<number>): void {
    if (ended.size === 0) return;
    const kept = waiting.filter(({ lease }) => !ended.has(lease.id));
    outstanding -= waiting.length - kept.length;
    waiting = kept;
  }

  /** Until the store has answered: an outcome that it never hears would hold its key for ever. */
  async function settle(settlements: readonly Settlement[], rows: number): Promise<void> {
    settling += 1;
    for (let tries = 1; settlements.length > 0; tries++) {
      try {
        tell(settlements, await source.settle(settlements));
        break;
      } catch (error) {
        if (tries === 1) doors.trouble(error);
        if (stopping) break;
        await sleep(delayMs(troubleBackoff, tries, random()), clock);
      }
    }
    settling -= 1;
    outstanding -= rows;
    grant();
    rest();
  }

  function pause(): void {
    resting = true;
    const timer = clock.setTimer(
      () => {
        resting = false;
        grant();
      },
      delayMs(troubleBackoff, failures, random()),
    );
    // Whoever waits only for this may end.
    timer.unref();
  }

  function rest(): void {
    if (forwarding || settling > 0 || (stopping && waiting.length > 0)) return;
    const done = idle;
    idle = [];
    for (const resolve of done) resolve();
  }

  function deliver(batch: readonly Delivery[]): void {
    waiting.push(...batch);
    window.delivered(batch);
    if (resting || stopping) giveBack([]);
    else void pump();
    grant();
  }

  function lost(leases: readonly Lease[]): void {
    drop(new Set(leases.map(({ id }) => id)));
    grant();
  }

  return {
    start() {
      consumption = source.consume(outboxName, { slots: batchSize }, { deliver, lost });
      grant();
    },
    async stop() {
      if (consumption === null) return;
      stopping = true;
      consumption.stop();
      if (!forwarding) giveBack([]);
      await new Promise<void>((resolve) => {
        idle.push(resolve);
        rest();
      });
    },
    fail() {
      stopping = true;
      waiting = [];
    },
    get held() {
      return waiting.length + (forwarding ? 1 : 0) + settling;
    },
  };
}

type Read = { readonly message: Outgoing } | { readonly invalid: MaloteError };
type Answer = PublishOutcome | { readonly kind: 'invalid'; readonly error: MaloteError };

function answersOf(read: readonly Read[], outcomes: readonly PublishOutcome[]): readonly Answer[] {
  let next = 0;
  return read.map((one) => {
    if ('invalid' in one) return { kind: 'invalid', error: one.invalid };
    next += 1;
    return outcomes[next - 1]!;
  });
}

/** Whatever else a target refuses with says something of the target, and will pass. */
const faults: ReadonlySet<ErrorCode> = new Set([
  'DATA_INVALID',
  'MESSAGE_TOO_DEEP',
  'MESSAGE_TOO_LARGE',
  'OPTION_INVALID',
]);

function isItsFault({ code }: MaloteError): boolean {
  return faults.has(code);
}

function failureOf({ code, message }: MaloteError): Failure {
  return { name: code, message };
}
