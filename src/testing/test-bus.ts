/**
 * A bus for tests of applications: the real runtime on the memory engine, with time that stands
 * still until the test moves it, chance from a seed, and faults at the moments a test chooses.
 *
 * It plays one process. A crash fault ends that process and starts the next one, with the same
 * handlers on the same engine, as a supervisor would.
 */

import { optionInvalid } from '../errors.ts';
import { checkNames, whole } from '../message/checks.ts';
import type { DependencyKey } from '../message/dependency.ts';
import type { Duration } from '../message/duration.ts';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Bus } from '../runtime/bus.ts';
import { assembleBus, type TestableBus } from '../runtime/create-bus.ts';
import { type TransitionEvent, transitionChannel } from '../runtime/events.ts';
import { memory } from '../transports/memory/index.ts';
import { type Faults, withFaults } from './faults.ts';
import { seededRandom, sequentialIds } from './seeded.ts';
import { settleTurns, type VirtualClock, virtualClock } from './virtual-clock.ts';

export interface TestBusOptions {
  /** Adds the application's consumers; called again for every process that a crash starts. */
  readonly use: (bus: Bus) => void;
  /** Same seed, same run. @defaultValue 1 */
  readonly seed?: number;
  /** Where the clock starts. */
  readonly startAt?: Date;
  /** @defaultValue 'lanes' */
  readonly shape?: 'lanes' | 'partitions';
}

export interface TestBus extends Bus {
  readonly clock: { now(): Date; advance(by: Duration): Promise<void> };
  readonly faults: Faults;
  /**
   * Resolves when nothing more happens until time moves: no handler runs, nothing is on its way.
   */
  settle(): Promise<void>;
  /** Every transition so far, or those of one message. */
  timeline(of?: { readonly id: string }): readonly TransitionEvent[];
  /** What waits for this fact now: of messages with a key, the first one of each key. */
  waitingFor(key: DependencyKey): Promise<readonly string[]>;
}

const leaseMs = 10_000;
/** Turns of the event loop without anything held before the bus counts as settled. */
const quietTurns = 12;
const mostTurns = 200_000;

/** Starts a bus with the application's consumers. Stop it with `await using` or `stop()`. */
export async function testBus(options: TestBusOptions): Promise<TestBus> {
  checkOptions(options);
  const { seed = 1, startAt, shape = 'lanes' } = options;
  const clock = virtualClock(startAt?.getTime());
  const random = seededRandom(seed);
  const name = `test-${seed}-${busesMade++}`;
  const history = record(name);
  let crashes = 0;
  const { engine, faults } = withFaults(memory({ shape }), {
    random,
    crashed: () => {
      crashes += 1;
      current.abandon();
    },
  });
  const newId = sequentialIds('m');
  let current: TestableBus<never>;

  async function startProcess(): Promise<void> {
    current = assembleBus<never>(
      { engine, name, lease: leaseMs, handleSignals: false, logger: false },
      { clock, random, newId, process: name },
    );
    options.use(current.bus);
    await current.bus.start();
  }

  /** The dead process's lease has to run out before the next one gets its messages. */
  async function recover(): Promise<void> {
    crashes = 0;
    await startProcess();
    await clock.advance(leaseMs + 1_000);
  }

  async function settle(): Promise<void> {
    let quiet = 0;
    for (let turn = 0; quiet < quietTurns; turn++) {
      if (turn > mostTurns) throw new Error('settle: a handler never ended, or messages go round');
      await settleTurns(1);
      if (crashes > 0) await recover();
      quiet = current.held() === 0 ? quiet + 1 : 0;
    }
  }

  await startProcess();
  return {
    publish: (type, data, given) => current.bus.publish(type, data, given),
    publishMany: (type, items, given) => current.bus.publishMany(type, items, given),
    transaction: (work) => current.bus.transaction(work),
    consume: (types, given, handler) => current.bus.consume(types, given, handler),
    subscribe: (subscription, types, given) => current.bus.subscribe(subscription, types, given),
    unsubscribe: (subscription) => current.bus.unsubscribe(subscription),
    start: () => current.bus.start(),
    fulfil: (...keys) => current.bus.fulfil(...keys),
    revoke: (...keys) => current.bus.revoke(...keys),
    cache: (cache, given) => current.bus.cache(cache, given),
    lock: (lock, given) => current.bus.lock(lock, given),
    get outbox() {
      return current.bus.outbox;
    },
    get messages() {
      return current.bus.messages;
    },
    get dead() {
      return current.bus.dead;
    },
    get waiting() {
      return current.bus.waiting;
    },
    get subscriptions() {
      return current.bus.subscriptions;
    },
    clock: clockOf(clock),
    faults,
    settle,
    timeline: (of) => history.events.filter((event) => of === undefined || isAbout(event, of.id)),
    async waitingFor(key) {
      const { items } = await current.bus.waiting.list({ for: key, limit: 500 });
      return items.map(({ id }) => id);
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };

  /** Moves the clock as far as an unfinished drain may need. */
  async function stop(given?: Parameters<Bus['stop']>[0]): Promise<void> {
    const stopped = current.bus.stop(given);
    await clock.advance('60s');
    await stopped;
    history.end();
  }
}

let busesMade = 0;

function checkOptions(options: TestBusOptions): void {
  checkNames('testBus', options, ['use', 'seed', 'startAt', 'shape']);
  const { use, seed = 1, startAt = new Date(0) } = options;
  if (typeof use !== 'function') throw optionInvalid('testBus: use', 'a function', use);
  whole('testBus: seed', seed, [0, Number.MAX_SAFE_INTEGER]);
  if (startAt instanceof Date && !Number.isNaN(startAt.getTime())) return;
  throw optionInvalid('testBus: startAt', 'a valid Date', startAt);
}

function clockOf(clock: VirtualClock): TestBus['clock'] {
  return { now: () => new Date(clock.now()), advance: (by) => clock.advance(by) };
}

function isAbout(event: TransitionEvent, id: string): boolean {
  return 'id' in event && event.id === id;
}

function record(bus: string): { readonly events: readonly TransitionEvent[]; end(): void } {
  const events: TransitionEvent[] = [];
  const listen = (event: unknown): void => {
    const transition = event as TransitionEvent;
    if (transition.bus === bus) events.push(transition);
  };
  subscribe(transitionChannel, listen);
  return { events, end: () => void unsubscribe(transitionChannel, listen) };
}
