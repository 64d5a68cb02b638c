/**
 * Opens a {@link Connection}: a small client over one transport that can publish, settle, stand
 * still and die.
 */

import assert from 'node:assert/strict';
import type { Clock, Timer } from '../../clock.ts';
import type { Effects } from '../../transport/effects.ts';
import type {
  Engine,
  EngineEvent,
  Host,
  PublishOutcome,
  SettleOutcome,
  Settlement,
} from '../../transport/transport.ts';
import { seededRandom, sequentialIds } from '../seeded.ts';
import type { Connection, Consumer, Harness, OpenOptions } from './harness.ts';
import { outgoing, specification, usualSubscription, type Draft } from './settlements.ts';
import { startConsumer } from './start-consumer.ts';

interface Opening extends OpenOptions {
  readonly number: number;
}

export async function openConnection(
  harness: Harness,
  engine: Engine,
  { number, beside, hear, ...keeping }: Opening,
): Promise<Connection> {
  const name = `process ${number}`;
  const process = beside?.process ?? name;
  const events: EngineEvent[] = [];
  const pausable = pausableClock(harness.clock);
  const transport = await engine.open({
    clock: pausable.clock,
    random: seededRandom(harness.seed * 1_000 + number),
    newId: sequentialIds(`p${number}-`),
    process,
    leaseMs: harness.leaseMs,
    ...journalOf(keeping),
    facts: null,
    seal: () => assert.fail('nobody publishes without malote'),
    notify(event) {
      events.push(event);
      hear?.(event, name);
    },
    failed: (error) => harness.watch.violation(`${name} failed: ${error.message}`),
  });
  const consumers: Consumer[] = [];
  const life = startLife(name);
  const queue = life.answering(transport.queue);
  const store = life.answering(transport.store);
  const coordination =
    transport.coordination === null ? null : life.answering(transport.coordination);
  const effects = transport.effects === null ? null : life.answering(transport.effects);
  let isOpen = true;

  const end = (): void => {
    isOpen = false;
    for (const consumer of consumers) consumer.ended(name);
    harness.watch.silent(name);
  };
  const settle = (batch: readonly Settlement[]): Promise<readonly SettleOutcome[]> => {
    harness.watch.settling(name, batch);
    return queue.settle(batch);
  };
  const offer = (drafts: readonly Draft[]): Promise<readonly PublishOutcome[]> =>
    queue.publish(drafts.map(outgoing));

  return {
    name,
    process,
    queue,
    store,
    get coordination() {
      assert.ok(coordination, 'the engine has no locks and caches');
      return coordination;
    },
    get effects() {
      assert.ok(effects, 'the engine runs no functions in its transactions');
      return watched(effects, (batch) => harness.watch.settling(name, batch));
    },
    events,
    capabilities: engine.capabilities,
    subscribe: (...given) =>
      queue.subscribe((given.length === 0 ? [{}] : given).map(specification)),
    offer: (...drafts) => offer(drafts),
    join(transaction, ...drafts) {
      assert.ok(transport.join, 'an engine with transactions lets a publish join one');
      return transport.join.publish(transaction.tx as never, drafts.map(outgoing));
    },
    async publish(...drafts) {
      const outcomes = await offer(drafts);
      assert.deepEqual(
        outcomes.map(({ kind }) => kind),
        drafts.map(() => 'stored'),
        'every message should have been stored',
      );
    },
    consume(subscription = usualSubscription, demand = {}) {
      const consumer = startConsumer(harness, { name, queue, subscription, demand });
      consumers.push(consumer);
      return consumer;
    },
    settle: (...batch) => settle(batch),
    async settled(...batch) {
      const outcomes = await settle(batch);
      const expected = batch.map(() => 'settled');
      assert.deepEqual(outcomes, expected, 'every settlement should have counted');
    },
    fulfil: (...facts) => queue.mark(facts.map((fact) => ({ fact, state: 'fulfilled' }))),
    revoke: (...facts) => queue.mark(facts.map((fact) => ({ fact, state: 'revoked' }))),
    async view(subscription = usualSubscription) {
      const found = (await store.subscriptions()).find(({ name: known }) => known === subscription);
      assert.ok(found, `the subscription ${subscription} should be listed`);
      return found;
    },
    freeze() {
      harness.watch.silent(name);
      pausable.pause();
    },
    thaw() {
      harness.watch.awake(name);
      pausable.resume();
    },
    isOpen: () => isOpen,
    async close() {
      harness.watch.closing(name);
      await transport.close();
      end();
    },
    abandon() {
      end();
      pausable.pause();
      transport.abandon();
      life.end();
    },
  };
}

function journalOf(given: OpenOptions): Pick<Host, 'journal' | 'keepDoneMs'> {
  const { keepDoneMs = 0 } = given;
  const { journal = keepDoneMs === 0 ? 'exceptions' : 'all' } = given;
  return { journal, keepDoneMs };
}

/** An effect that was stored has acked its delivery. */
function watched(
  effects: Effects<never>,
  settling: (batch: readonly Settlement[]) => void,
): Effects<never> {
  return {
    recall: (arrivals) => effects.recall(arrivals),
    run: (effect) =>
      effects.run({
        ...effect,
        work(tx) {
          const work = effect.work(tx);
          const { delivery } = effect;
          if (delivery !== null) settling([{ kind: 'ack', delivery, ...work }]);
          return work;
        },
      }),
  };
}

/**
 * What was asked before a process died need not be answered: nobody is there to hear it. A case is,
 * and would wait for ever, so that such a question rejects for it.
 */
function startLife(name: string): {
  end(): void;
  answering<Part extends object>(part: Part): Part;
} {
  let end = (): void => undefined;
  const gone = new Promise<never>((_, reject) => {
    end = () => reject(new Error(`${name} died before it was answered`));
  });
  gone.catch(() => undefined);
  const answering = <Part extends object>(part: Part): Part =>
    new Proxy(part, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          const answer: unknown = value.apply(target, args);
          return answer instanceof Promise ? Promise.race([answer, gone]) : answer;
        };
      },
    });
  return { end: () => end(), answering };
}

/** A view of a clock whose timers can be made to wait while time goes on. */
function pausableClock(clock: Clock): { clock: Clock; pause(): void; resume(): void } {
  let isPaused = false;
  let late: (() => void)[] = [];
  const setTimer = (run: () => void, ms: number): Timer => {
    let isCancelled = false;
    const fire = (): void => {
      if (isCancelled) return;
      if (isPaused) late.push(fire);
      else run();
    };
    const timer = clock.setTimer(fire, ms);
    return {
      cancel() {
        isCancelled = true;
        timer.cancel();
      },
      unref() {
        timer.unref();
        return this;
      },
    };
  };
  return {
    clock: { now: () => clock.now(), monotonic: () => clock.monotonic(), setTimer },
    pause: () => void (isPaused = true),
    resume() {
      isPaused = false;
      const missed = late;
      late = [];
      for (const fire of missed) fire();
    },
  };
}
