/**
 * How faults are planted in a sound engine, to see whether the suite notices them. A mutant changes
 * some of the steps of a connection; the rest goes to the sound engine as it is.
 */

import type { Clock } from '../../../src/clock.ts';
import type { Coordination } from '../../../src/transport/coordination.ts';
import type { Effects } from '../../../src/transport/effects.ts';
import type { Store } from '../../../src/transport/store.ts';
import type {
  Delivery,
  Engine,
  Host,
  Outgoing,
  Queue,
  Settlement,
  SubscriptionSpec,
  Transport,
} from '../../../src/transport/transport.ts';

/** The steps of one connection, side by side. */
export type Steps = Queue &
  Store &
  Pick<Transport, 'close' | 'abandon' | 'join'> & {
    readonly coordination: Coordination;
    readonly effects: Effects<never> | null;
  };

export interface Mutant {
  /** What the engine does wrong, as its author might have put it. */
  readonly name: string;
  /** The cases that must fail on it. */
  readonly caughtBy: readonly string[];
  /** The steps it does differently. `world` is shared by all connections to one engine. */
  plant?(sound: Steps, world: World): Partial<Steps>;
  /** What the process number `opened` gives the engine, where that is what is wrong. */
  host?(host: Host, opened: number): Host;
}

export interface World {
  readonly clock: Clock;
  readonly notes: Map<string, unknown>;
  /** Connections that are open, in the order they were opened. */
  readonly steps: Steps[];
}

export function planted(sound: Engine, mutant: Mutant): Engine {
  const notes = new Map<string, unknown>();
  const open: Steps[] = [];
  return {
    ...sound,
    async open(host) {
      const transport = await sound.open(mutant.host?.(host, open.length) ?? host);
      const steps = stepsOf(transport);
      open.push(steps);
      const world = { clock: host.clock, notes, steps: open };
      const changed = { ...steps, ...mutant.plant?.(steps, world) };
      const { join, effects, coordination, close, abandon } = changed;
      const doors = { queue: changed, store: changed, join, effects, coordination };
      return { ...doors, facts: transport.facts, close, abandon };
    },
  };
}

function stepsOf({ queue, store, join, effects, coordination, close, abandon }: Transport): Steps {
  return {
    join,
    effects,
    coordination: coordination!,
    subscribe: (specifications) => queue.subscribe(specifications),
    unsubscribe: (name) => queue.unsubscribe(name),
    publish: (batch) => queue.publish(batch),
    forward: (batch) => queue.forward(batch),
    consume: (subscription, demand, sink) => queue.consume(subscription, demand, sink),
    settle: (batch) => queue.settle(batch),
    mark: (changes) => queue.mark(changes),
    get: (id) => store.get(id),
    cancel: (id, subscription) => store.cancel(id, subscription),
    dead: (query) => store.dead(query),
    redrive: (which) => store.redrive(which),
    waiting: (query) => store.waiting(query),
    subscriptions: () => store.subscriptions(),
    setPaused: (subscription, paused) => store.setPaused(subscription, paused),
    close: () => close(),
    abandon: () => abandon(),
  };
}

/** Something kept for all connections to the engine. */
export function note<Kept>({ notes }: World, name: string, first: () => Kept): Kept {
  if (!notes.has(name)) notes.set(name, first());
  return notes.get(name) as Kept;
}

/** Every message is stored as `change` makes it. */
export function publishing(change: (message: Outgoing) => Outgoing): NonNullable<Mutant['plant']> {
  return (sound) => ({ publish: (batch) => sound.publish(batch.map(change)) });
}

/** Every subscription is stored as `change` makes it. */
export function subscribing(change: (spec: SubscriptionSpec) => Partial<SubscriptionSpec>) {
  return (sound: Steps): Partial<Steps> => ({
    subscribe: (specs) => sound.subscribe(specs.map((spec) => ({ ...spec, ...change(spec) }))),
  });
}

/** Every delivery arrives as `change` makes it, and is settled as it was. */
export function delivering(
  change: (delivery: Delivery, world: World) => Partial<Delivery>,
): NonNullable<Mutant['plant']> {
  return (sound, world) => {
    const originals = new Map<Delivery, Delivery>();
    return {
      consume: (subscription, demand, sink) =>
        sound.consume(subscription, demand, {
          lost: (leases) => sink.lost(leases),
          deliver(batch) {
            const changed = batch.map((one) => ({ ...one, ...change(one, world) }));
            changed.forEach((one, index) => originals.set(one, batch[index] as Delivery));
            sink.deliver(changed);
          },
        }),
      settle: (batch) =>
        sound.settle(
          batch.map((one) => ({ ...one, delivery: originals.get(one.delivery) ?? one.delivery })),
        ),
    };
  };
}

/** Every settlement is asked for as `change` makes it. */
export function settling(
  change: (settlement: Settlement) => Settlement,
): NonNullable<Mutant['plant']> {
  return (sound) => ({ settle: (batch) => sound.settle(batch.map(change)) });
}

/** Keeps what is out on this connection, and says when it is given up. */
export function holding(
  sound: Steps,
  onAbandon: (out: readonly Delivery[]) => void,
): Partial<Steps> {
  const out = new Set<Delivery>();
  return {
    consume: (subscription, demand, sink) =>
      sound.consume(subscription, demand, {
        lost: (leases) => sink.lost(leases),
        deliver(batch) {
          for (const delivery of batch) out.add(delivery);
          sink.deliver(batch);
        },
      }),
    settle(batch) {
      for (const { delivery } of batch) out.delete(delivery);
      return sound.settle(batch);
    },
    abandon() {
      onAbandon([...out]);
      sound.abandon();
    },
  };
}

export function ackOf(delivery: Delivery, publish: readonly Outgoing[] = []): Settlement {
  return { kind: 'ack', delivery, opens: [], publish };
}

/** A new message that looks like the one delivered, or dead. */
export function copyOf(
  of: Pick<Delivery, 'id' | 'topic' | 'body' | 'headers' | 'key'>,
  given: Partial<Outgoing> = {},
): Outgoing {
  const { id, topic, body, headers, key } = of;
  return { id, topic, body, headers, key, delayMs: 0, dedupe: [], facts: [], ...given };
}
