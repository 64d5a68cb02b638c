/**
 * The outbox of a bus: the store's connection, the relay that this process runs, and what can be
 * seen of it. Without a store, or with one that is the engine itself, there is none: what joins a
 * transaction is stored where the consumers look.
 */

import { MaloteError } from '../errors.ts';
import { checkNames } from '../message/checks.ts';
import { outboxOf, prepareOutbox } from '../outbox/outbox.ts';
import { createRelay, type Relay, type RelayDoors } from '../outbox/relay.ts';
import { type Remembering, remembering } from '../outbox/remembering.ts';
import { outboxName, tellsOf } from '../outbox/row.ts';
import type {
  CancelOutcome,
  DeadLetter,
  MessageView,
  Store,
  SubscriptionView,
} from '../transport/store.ts';
import type { Engine, Host, Transport } from '../transport/transport.ts';
import { checkId } from './dead-selection.ts';
import { mostNamed, type Events } from './events.ts';
import { type DeadLetters, type PageOptions, pageOf } from './inspect.ts';
import { createLink, type Link } from './link.ts';
import type { BusSettings } from './options.ts';

export interface OutboxStats {
  /** Messages that are not confirmed by the engine yet. */
  readonly waiting: number;
  /** When the first of them was accepted: how long the relay is behind. Null where none waits. */
  readonly oldestAt: number | null;
  /** Messages that the engine refused for good. */
  readonly dead: number;
  /** Messages that were relayed, in all. */
  readonly relayed: number;
  /** Keys that stand still behind a refused message (`relay: { onDead: 'block' }`), at most 100. */
  readonly blockedKeys: readonly string[];
}

/** What waits in the store for its relay. Rejects `CAPABILITY_MISSING` on a bus without a store. */
export interface Outbox {
  stats(): Promise<OutboxStats>;
  /** What the engine refused for good; their reason is `refused-by-target`. */
  readonly dead: {
    list(options?: PageOptions): ReturnType<DeadLetters['list']>;
    /** Of one message; empty where it is not dead in the outbox. */
    get: DeadLetters['get'];
    redrive(which: string | readonly string[]): ReturnType<DeadLetters['redrive']>;
  };
}

export interface OutboxPart<Tx> {
  /** Whether the store is another database than the engine. */
  readonly isApart: boolean;
  /** Whose transactions `tx` may be. */
  readonly link: Link<Tx>;
  readonly view: Outbox;
  /** A message that is here and not, or not certainly, with the engine; empty where it is not. */
  find(id: string): Promise<readonly MessageView[]>;
  /** Takes one out that the engine refused; what it blocked goes on. */
  cancelDead(id: string): Promise<CancelOutcome>;
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
  readonly relay: BusSettings['relay'];
  readonly events: Events;
}

export interface Places<Tx> {
  readonly engine: Engine<Tx> | Engine<unknown>;
  readonly store?: Engine<Tx> | undefined;
}

/** A store that is the engine itself has nothing of its own. */
export function storeApart<Tx>({ engine, store }: Places<Tx>): Engine<Tx> | null {
  return store === undefined || store.address === engine.address ? null : store;
}

/** Where facts are where the engine does not store them with the acks that open them: the store. */
function factsBeside<Tx>(
  places: Places<Tx>,
  link: { open(): Promise<Pick<Transport<unknown>, 'facts'>> },
): Host['facts'] {
  const store = storeApart(places);
  const isApart = store?.capabilities.keepsFacts === true;
  if (!isApart || places.engine.capabilities.atomicSettle) return null;
  return async () => (await link.open()).facts!;
}

/** What of a bus is in the engine, and what in the store beside it. */
export function placesOf<Tx>(
  places: Places<Tx>,
  store: { open(): Promise<Transport<Tx>> },
): { readonly engine: Engine<unknown>; readonly facts: Host['facts'] } {
  return { engine: engineBeside(places, store), facts: factsBeside(places, store) };
}

/** The engine, with what the store keeps for it. */
function engineBeside<Tx>(places: Places<Tx>, link: Remembering): Engine<unknown> {
  const engine = places.engine as Engine<unknown>;
  const store = storeApart(places);
  const remembers = store !== null && store.capabilities.dedupe;
  return engine.capabilities.dedupe || !remembers ? engine : remembering(engine, link);
}

export function createOutbox<Tx>(options: OutboxOptions<Tx>): OutboxPart<Tx> {
  const { engine, engineLink, host, events } = options;
  // What became of a message is asked of the engine; here it is done once it is there.
  const journal = host.journal === 'all' ? 'exceptions' : host.journal;
  const link = createLink(outboxOf(options.store), { ...host, journal });
  let relay: Relay | null = null;

  async function store(): Promise<Store> {
    const transport = await link.open();
    // Rows that no relay has ever seen are counted too.
    await prepareOutbox(transport, null);
    return transport.store;
  }

  return {
    isApart: true,
    link,
    view: viewOf(store),
    async find(id) {
      return (await (await store()).get(id)).filter(isHere);
    },
    async cancelDead(id) {
      return await (await store()).cancel(id, outboxName);
    },
    async start() {
      const transport = await link.open();
      await prepareOutbox(transport, options.relay?.onDead ?? null);
      if (options.relay === null || relay !== null) return;
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
    isApart: false,
    link: engineLink,
    view: viewOf(store),
    find: async () => [],
    cancelDead: async () => 'not-found',
    start: nothing,
    stop: nothing,
    close: nothing,
    fail: () => {},
    abandon: () => {},
    held: 0,
  };
}

/** What the relay tells becomes transitions like everything else. */
function earsOf(events: Events): Pick<RelayDoors, 'relayed' | 'refused' | 'trouble'> {
  return {
    relayed(ids, lagMs) {
      const first = ids.length > mostNamed ? ids.slice(0, mostNamed) : ids;
      events.emit({ kind: 'relayed', ids: first, messages: ids.length, lagMs });
    },
    refused({ id, attempt }, reason, failure) {
      const about = { id, type: outboxName, subscription: outboxName, attempt };
      events.emit({ kind: 'dead', ...about, reason, failure });
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
      const { stats, blockedKeys } = all.find(isOutbox)!;
      const { depth, oldestAt, dead, done } = stats;
      return { waiting: depth, oldestAt, dead, relayed: done, blockedKeys };
    },
    dead: {
      async list(given = {}) {
        checkNames('outbox.dead.list', given, ['cursor', 'limit']);
        const page = await (await store()).dead({ ...only, id: null, ...pageOf(given) });
        return { ...page, items: page.items.map(letterOf) };
      },
      async get(id) {
        checkId('outbox.dead.get', id);
        const { items } = await (await store()).dead({ ...only, id, ...pageOf({}) });
        return items.map(letterOf);
      },
      async redrive(which) {
        const ids = typeof which === 'string' ? [which] : which;
        return { redriven: await (await store()).redrive({ ...only, ids }) };
      },
    },
  };
}

/** With the type and the headers of the message that its row stands for. */
function letterOf(row: DeadLetter): DeadLetter {
  const told = tellsOf(row);
  return told === null ? row : { ...row, ...told };
}

/** The store's file may hold messages of others; and what is done is with the engine. */
function isHere({ subscription, state }: MessageView): boolean {
  return subscription === outboxName && state !== 'done' && state !== 'cancelled';
}

function isOutbox({ name }: SubscriptionView): boolean {
  return name === outboxName;
}
