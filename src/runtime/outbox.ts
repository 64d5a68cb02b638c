/**
 * The outbox of a bus: the store's connection, the relay that this process runs, and what can be
 * seen of it. Without a store, or with one that is the engine itself, there is none: what joins a
 * transaction is stored where the consumers look.
 */

import { MaloteError } from '../errors.ts';
import { outboxOf, prepareOutbox } from '../outbox/outbox.ts';
import { createRelay, type Relay, type RelayOptions } from '../outbox/relay.ts';
import { outboxName } from '../outbox/row.ts';
import type { Store, SubscriptionView } from '../transport/store.ts';
import type { Engine, Host } from '../transport/transport.ts';
import type { Events } from './events.ts';
import { type DeadLetters, type PageOptions, pageOf } from './inspect.ts';
import { createLink, type Link } from './link.ts';
import { checkNames } from './options.ts';

export interface OutboxStats {
  /** Messages that are not confirmed by the engine yet. */
  readonly waiting: number;
  /** Messages that the engine refused for good. */
  readonly dead: number;
  /** Messages that were relayed, in all. */
  readonly relayed: number;
}

/** What waits in the store for its relay. Rejects `CAPABILITY_MISSING` on a bus without a store. */
export interface Outbox {
  stats(): Promise<OutboxStats>;
  /** What the engine refused for good; their reason is `refused-by-target`. */
  readonly dead: {
    list(options?: PageOptions): ReturnType<DeadLetters['list']>;
    redrive(which: string | readonly string[]): ReturnType<DeadLetters['redrive']>;
  };
}

export interface OutboxPart<Tx> {
  /** Whose transactions `tx` may be. */
  readonly link: Link<Tx>;
  readonly view: Outbox;
  /** Registers the outbox and runs the relay, where this process has one. */
  start(): Promise<void>;
  stop(): Promise<void>;
  close(): Promise<void>;
  fail(error: MaloteError): void;
  abandon(): void;
  readonly held: number;
}

export interface OutboxOptions<Tx> {
  readonly engine: Engine<unknown>;
  readonly engineLink: Link<unknown>;
  readonly store: Engine<Tx>;
  readonly host: Host;
  readonly relays: boolean;
  readonly events: Events;
}

const mostIds = 100;

export function createOutbox<Tx>(options: OutboxOptions<Tx>): OutboxPart<Tx> {
  const { engine, engineLink, host, relays, events } = options;
  const link = createLink(outboxOf(options.store), host);
  let relay: Relay | null = null;

  return {
    link,
    view: viewOf(async () => (await link.open()).store),
    async start() {
      const transport = await link.open();
      await prepareOutbox(transport);
      if (!relays || relay !== null) return;
      relay = createRelay({
        source: transport.queue,
        target: async () => (await engineLink.open()).queue,
        remembers: engine.capabilities.dedupe,
        clock: host.clock,
        random: host.random,
        ...earsOf(events),
      });
      relay.start();
    },
    stop: async () => await relay?.stop(),
    close: () => link.close(),
    fail(error) {
      link.fail(error);
      relay?.fail();
    },
    abandon: () => link.abandon(),
    get held() {
      return relay?.held ?? 0;
    },
  };
}

/** The part of a bus whose `tx` is the engine's own. */
export function withoutOutbox<Tx>(engineLink: Link<Tx>): OutboxPart<Tx> {
  const nothing = async (): Promise<void> => {};
  const store = async (): Promise<never> => {
    throw new MaloteError(
      'CAPABILITY_MISSING',
      'this bus has no outbox; give createBus a store that is another database than the engine',
    );
  };
  return {
    link: engineLink,
    view: viewOf(store),
    start: nothing,
    stop: nothing,
    close: nothing,
    fail: () => {},
    abandon: () => {},
    held: 0,
  };
}

/** What the relay tells becomes transitions like everything else. */
function earsOf(events: Events): Pick<RelayOptions, 'relayed' | 'refused' | 'trouble'> {
  return {
    relayed(ids, lagMs) {
      const first = ids.length > mostIds ? ids.slice(0, mostIds) : ids;
      events.emit({ kind: 'relayed', ids: first, messages: ids.length, lagMs });
    },
    refused({ id, attempt }, reason, failure) {
      const about = { id, type: outboxName, subscription: outboxName, attempt };
      events.emit({ kind: 'dead', reason, failure, ...about });
    },
    trouble(error) {
      const code = error instanceof MaloteError ? error.code : 'ENGINE_FAILED';
      events.emit({ kind: 'engine-trouble', code, message: String(error) });
    },
  };
}

function viewOf(store: () => Promise<Store>): Outbox {
  const only = { subscription: outboxName };
  return {
    async stats() {
      const all = await (await store()).subscriptions();
      const { depth = 0, dead = 0, done = 0 } = all.find(isOutbox)?.stats ?? {};
      return { waiting: depth, dead, relayed: done };
    },
    dead: {
      async list(given = {}) {
        checkNames('outbox.dead.list', given, ['cursor', 'limit']);
        return await (await store()).dead({ ...only, id: null, ...pageOf(given) });
      },
      async redrive(which) {
        const ids = typeof which === 'string' ? [which] : which;
        return { redriven: await (await store()).redrive({ ...only, ids }) };
      },
    },
  };
}

function isOutbox({ name }: SubscriptionView): boolean {
  return name === outboxName;
}
