/**
 * One subscription in this process: asks for deliveries, runs handlers in its slots, lanes in
 * their order, and settles.
 *
 *     granted ─▶ buffered ─▶ running ─▶ settled ─▶ granted again
 *
 * Deliveries held here never exceed the {@link Window}; a lane's next message starts only after
 * the one before it was concluded; anything but an ack ends the lane's lease, and what was behind
 * it is dropped here because the engine has it back.
 */

import type { Clock } from '../clock.ts';
import { MaloteError } from '../errors.ts';
import type {
  Consumption,
  Delivery,
  Lease,
  Queue,
  Settlement,
  SettleOutcome,
} from '../transport/transport.ts';
import { type Attempt, type AttemptOptions, createAttempts } from './attempt.ts';
import { createBuffer, sizeOf } from './buffer.ts';
import { createDeadlines } from './deadlines.ts';
import { createIdle } from './idle.ts';
import type { Handling } from './options.ts';
import { timedOut } from './own-failures.ts';
import { createPace, type Pace } from './pace.ts';
import type { TakePermits } from './permits.ts';
import { createSettler } from './settler.ts';
import { createTypeLimits } from './type-limits.ts';
import { createVainWaits } from './vain-waits.ts';
import { createWindow } from './window.ts';

export interface Consumer {
  start(): void;
  /** No new starts; waits for what runs, `drainMs` at most; gives back the rest. */
  stop(drainMs: number): Promise<void>;
  /** The engine cannot go on: aborts what runs, forgets the rest, settles nothing more. */
  fail(error: MaloteError): void;
  /**
   * Deliveries here that are not settled yet, but for those that its rate holds back: 0 means that
   * nothing happens here until time has passed.
   */
  readonly held: number;
}

export interface ConsumerOptions
  extends Omit<AttemptOptions, 'conclude' | 'retry' | 'timeoutMs' | 'clock' | 'events'> {
  readonly subscription: string;
  readonly handling: Handling;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly events: AttemptOptions['events'];
  /** What its handling has a rate by; null without one. */
  readonly permits: TakePermits | null;
  /** Called when deliveries were settled: a full subscription may have room for as many. */
  roomMade(messages: number): void;
}

/**
 * Deliveries beyond the window: of a full type, or behind a message of their lane that runs. They
 * take no slots, so that others come through.
 */
const mostHeld = 1_000;
/** Asked for at a time beside them, for idle slots: the next key may have a backlog as well. */
const mostBeside = 16;
/** How long handlers may take to obey their signal once a stop has run out of patience. */
const windUpMs = 1_000;

export function createConsumer(options: ConsumerOptions): Consumer {
  const { subscription, handling, queue, clock, events } = options;
  const { concurrency, concurrencyByType, timeoutMs } = handling;
  const buffer = createBuffer();
  const window = createWindow(concurrency, clock.monotonic());
  const types = createTypeLimits(concurrencyByType);
  const vainWaits = createVainWaits();
  const idle = createIdle(clock);
  /** Acks that their lane waits for, see {@link isAwaited}. */
  const unanswered = new Map<Settlement, Attempt>();
  let [running, concluded] = [0, 0];
  /** Deliveries granted and neither concluded nor given back; and of these, not delivered yet. */
  let [outstanding, asked] = [0, 0];
  let [pumping, stopping, failed] = [false, false, false];
  let consumption: Consumption | null = null;

  const attempts = createAttempts({ ...options, retry: handling.retry, timeoutMs, conclude });
  const deadlines = createDeadlines({ clock, timeoutMs, expire, abandon });
  const settler = createSettler({ queue, clock, events, told, awaited: unanswered, answered });
  const pace = paceOf(options, { granted: pump });

  function deliver(batch: readonly Delivery[]): void {
    asked -= batch.length;
    buffer.add(batch);
    if (stopping) return giveBackBuffered();
    pump();
    grant();
  }

  function pump(): void {
    // Never nested: a handler may conclude at once.
    if (pumping) return;
    pumping = true;
    try {
      startNext();
    } finally {
      pumping = false;
    }
    deadlines.started();
    if (running === 0) idle.reached();
    // Whatever started makes room for as many that may start next.
    if (pace !== null) grant();
  }

  function startNext(): void {
    let goAt: number | null = null;
    while (running < concurrency && !stopping) {
      if (pace !== null && !mayStart(pace)) break;
      const waiting = types.freed() ?? buffer.take();
      if (waiting === undefined) break;
      if (!types.enter(waiting)) continue;
      running += 1;
      pace?.spend();
      goAt ??= clock.monotonic();
      const attempt = attempts.begin(waiting.delivery, waiting.lane, goAt);
      if (!attempt.over) deadlines.add(attempt);
    }
  }

  function mayStart(by: Pace): boolean {
    const ready = buffer.size + types.freeable;
    return ready > 0 && by.allows(Math.min(ready, concurrency - running));
  }

  function conclude(attempt: Attempt, settlement: Settlement | 'acked' | null): void {
    deadlines.remove(attempt);
    if (settlement === null || settlement === 'acked') {
      settler.stir();
      return finish(attempt, settlement === 'acked');
    }
    settler.push(vainWaits.temper(settlement));
    if (isAwaited(settlement, options.inbox)) unanswered.set(settlement, attempt);
    else finish(attempt, settlement.kind === 'ack');
  }

  function finish(attempt: Attempt, laneGoesOn: boolean): void {
    const { lane } = attempt;
    let leaving = attempt.interruption === 'lease-lost' ? 0 : 1;
    if (lane !== null) {
      if (laneGoesOn) buffer.resume(lane);
      else leaving += lane.deliveries.length - lane.next;
    }
    outstanding -= leaving;
    concluded += leaving;
    running -= 1;
    types.leave(attempt.delivery.topic);
    pump();
  }

  function told(): void {
    const messages = concluded;
    concluded = 0;
    window.finished(messages, clock.monotonic());
    grant();
    options.roomMade(messages);
  }

  function grant(): void {
    if (stopping || consumption === null) return;
    const pacedSize = running + (pace?.slice ?? Number.POSITIVE_INFINITY);
    const size = Math.min(window.size, pacedSize);
    const most = size + mostHeld - outstanding;
    // What is here may all stand behind what runs.
    const free = Math.min(concurrency, pacedSize) - running - buffer.size - asked;
    const beside = Math.min(free, mostBeside - asked, most);
    const more = Math.max(size + Math.min(types.held, mostHeld) - outstanding, beside);
    if (more <= 0) return;
    outstanding += more;
    asked += more;
    consumption.grant(more);
  }

  function answered(settlement: Settlement, outcome: SettleOutcome): void {
    if (outcome === 'not-parked') return vainWaits.add(settlement.delivery.id);
    const attempt = unanswered.get(settlement);
    unanswered.delete(settlement);
    if (outcome === 'lease-lost') {
      const { id, topic, attempt: number } = settlement.delivery;
      events.emit({ kind: 'lease-lost', id, type: topic, subscription, attempt: number });
    }
    if (attempt === undefined) return;
    if (outcome !== 'full') {
      finish(attempt, outcome === 'settled');
      return settler.stir();
    }
    attempt.over = false;
    attempts.fail(attempt, new MaloteError('QUEUE_FULL', 'a subscription it publishes to is full'));
  }

  function expire(attempt: Attempt): void {
    if (attempt.interruption === 'none') attempt.interruption = 'timed-out';
    attempt.context.abort(timedOut(attempt.delivery, timeoutMs));
  }

  function abandon(attempt: Attempt): void {
    if (attempt.over) return;
    // The handler ignores its signal: its slot is needed, its outcome is decided.
    const { id, topic: type, attempt: number } = attempt.delivery;
    events.emit({ kind: 'stuck', id, type, subscription, attempt: number, timeoutMs });
    if (attempt.interruption === 'timed-out') return attempts.timeOut(attempt);
    attempt.over = true;
    finish(attempt, false);
  }

  function loseLeases(leases: readonly Lease[]): void {
    for (const lease of leases) {
      outstanding -= buffer.drop(lease) + types.drop(lease);
      for (const attempt of deadlines.running) {
        if (attempt.delivery.lease.id === lease.id && !attempt.over) loseLease(attempt);
      }
      for (const attempt of unanswered.values()) {
        if (attempt.delivery.lease.id === lease.id) outstanding -= cutLane(attempt);
      }
    }
    settler.lose(leases);
    grant();
  }

  function loseLease(attempt: Attempt): void {
    attempt.interruption = 'lease-lost';
    outstanding -= 1 + cutLane(attempt);
    const { id, topic, attempt: number } = attempt.delivery;
    events.emit({ kind: 'lease-lost', id, type: topic, subscription, attempt: number });
    attempt.context.abort(new MaloteError('LEASE_LOST', 'another process has the message', { id }));
  }

  function giveBackBuffered(): void {
    const waiting = [...buffer.drain(), ...types.drain()];
    outstanding -= waiting.reduce((sum, one) => sum + sizeOf(one), 0);
    for (const { delivery } of waiting) settler.push({ kind: 'release', delivery, afterMs: 0 });
  }

  function fail(error: MaloteError): void {
    stopping = true;
    failed = true;
    pace?.stop();
    consumption?.stop();
    buffer.drain();
    types.drain();
    settler.end();
    // No time-out keeps the process alive for what nobody waits for any more.
    deadlines.stop();
    for (const attempt of deadlines.running) {
      attempt.interruption = 'lease-lost';
      attempt.lane = null;
      attempt.context.abort(error);
    }
    for (const attempt of unanswered.values()) finish(attempt, false);
    unanswered.clear();
  }

  async function stop(drainMs: number): Promise<void> {
    stopping = true;
    pace?.stop();
    consumption?.stop();
    giveBackBuffered();
    if (running > 0) await idle.within(failed ? windUpMs : drainMs);
    if (failed) return;
    for (const attempt of deadlines.running) {
      if (attempt.interruption === 'none') attempt.interruption = 'stopping';
      attempt.context.abort(new MaloteError('BUS_STOPPED', 'the bus stops'));
    }
    if (running > 0) await idle.within(windUpMs);
    for (const attempt of deadlines.running) attempts.giveBack(attempt);
    deadlines.stop();
    settler.giveUp();
    await settler.flush();
  }

  return {
    start() {
      const sink = { deliver, lost: loseLeases };
      const demand = { slots: concurrency, hasOneAttempt: handling.retry.attempts === 1 };
      consumption = queue.consume(subscription, demand, sink);
      grant();
    },
    stop,
    fail,
    get held() {
      const waiting = pace?.isResting === true ? 0 : buffer.size + types.held;
      return waiting + running + unanswered.size + settler.open;
    },
  };
}

function paceOf(
  { handling: { rate }, permits, clock, events }: ConsumerOptions,
  { granted }: { granted(): void },
): Pace | null {
  if (rate === null || permits === null) return null;
  const trouble = (error: unknown): void => {
    const code = error instanceof MaloteError ? error.code : 'ENGINE_FAILED';
    events.emit({ kind: 'engine-trouble', code, message: String(error) });
  };
  return createPace({ rate, take: permits, clock, granted, trouble });
}

/**
 * Whether what is behind it waits for its answer: the engine may refuse what it publishes, and an
 * effect that acks is a way of its own to the engine, on which the next one would come before it.
 */
function isAwaited(settlement: Settlement, inbox: ConsumerOptions['inbox']): boolean {
  return settlement.kind === 'ack' && (settlement.publish.length > 0 || inbox?.acks === true);
}

/** Nothing behind it starts any more, whatever its ack is answered. Answers how many that were. */
function cutLane(attempt: Attempt): number {
  const { lane } = attempt;
  attempt.lane = null;
  return lane === null ? 0 : lane.deliveries.length - lane.next;
}
