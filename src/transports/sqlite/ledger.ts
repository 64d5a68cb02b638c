/**
 * What a connection knows and counts inside one write transaction. Both the transport's own turns
 * and publishes that join a transaction of the caller are written through a ledger.
 *
 * `openLedger` at the beginning, `closeLedger` before the commit; `dropLedger` when the transaction
 * is rolled back, as nothing the ledger has seen in it is true then.
 */

import { MaloteError } from '../../errors.ts';
import type { EngineEvent, FactId, Host } from '../../transport/transport.ts';
import { lastSequence } from './layout.ts';
import { choreTexts } from './statements/chores.ts';
import { deadTexts } from './statements/dead.ts';
import { factTexts } from './statements/facts.ts';
import { laneTexts } from './statements/lanes.ts';
import { ledgerTexts } from './statements/ledger.ts';
import { messageTexts } from './statements/messages.ts';
import { pastTexts } from './statements/past.ts';
import { shelfTexts } from './statements/shelves.ts';
import { prepareAll, type Prepared, type Preparing } from './statements/sql.ts';
import { loadTally, storeTally, type Tally } from './tally.ts';
import {
  addTopic,
  createTopology,
  loadTopology,
  type Subscription,
  type Topic,
  type Topology,
} from './topology.ts';
import { createWrites, type Writes } from './writes.ts';

/** The counters of the file as this transaction found them. */
interface Stored {
  readonly sequence: number;
  readonly lease: number;
  readonly version: number;
  readonly named: number;
  readonly now: number;
}

/** A lane whose first message waits, and what is told of it. */
export interface Wait {
  readonly lane: number;
  readonly event: EngineEvent & { readonly kind: 'waiting' };
}

export type FoundLane = readonly [lane: number, name: string, state: number];

export interface Ledger {
  readonly rows: Prepared<typeof ledgerTexts>;
  readonly messages: Prepared<typeof messageTexts>;
  readonly lanes: Prepared<typeof laneTexts>;
  readonly facts: Prepared<typeof factTexts>;
  readonly dead: Prepared<typeof deadTexts>;
  readonly past: Prepared<typeof pastTexts>;
  readonly shelves: Prepared<typeof shelfTexts>;
  readonly chores: Prepared<typeof choreTexts>;
  readonly topology: Topology;
  readonly keepsJournal: boolean;
  /** How long messages that are gone stay in view; 0: not at all. */
  readonly keepDoneMs: number;
  readonly random: () => number;
  /** What this transaction did that nobody asked it to do; told once it is committed. */
  readonly events: EngineEvent[];
  /** The lanes that this transaction opened and that wait; {@link events} tell of them too. */
  readonly waits: Wait[];
  now: number;
  sequence: number;
  lease: number;
  /** The version in the file; another than `stored.version` once this transaction moved it. */
  version: number;
  readonly tallies: Tally[];
  /** What facts were found to be in this transaction. */
  readonly known: Map<FactId, boolean>;
  /** Whether any key has a cold lane; null: not looked at yet. */
  anyCold: boolean | null;
  readonly writes: Writes;
  /**
   * The lanes that keys were found in, or put in, since the last flush; by subscription and hash.
   */
  readonly found: Map<Subscription, Map<number, FoundLane>>;
  /** Something became ready that no consumer of this connection took. */
  stirred: boolean;
  /**
   * Whether the last look, or this transaction, found work that is too much for one transaction.
   */
  hasChores: boolean;
  /** The earliest time at which something becomes due by this transaction. */
  dueAt: number;
  /** Messages up to this sequence are found by their id in an index, see `naming.ts`. */
  named: number;
  /** What the numbers of keys depend on. */
  seed: number;
  stored: Stored;
}

export type LedgerHost = Pick<Host, 'journal' | 'keepDoneMs' | 'random'>;

export function createLedger(db: Preparing, host: LedgerHost): Ledger {
  const messages = prepareAll(db, messageTexts);
  const lanes = prepareAll(db, laneTexts);
  return {
    rows: prepareAll(db, ledgerTexts),
    messages,
    lanes,
    facts: prepareAll(db, factTexts),
    dead: prepareAll(db, deadTexts),
    past: prepareAll(db, pastTexts),
    shelves: prepareAll(db, shelfTexts),
    chores: prepareAll(db, choreTexts),
    topology: createTopology(),
    keepsJournal: host.journal !== 'off',
    keepDoneMs: host.journal === 'all' ? Math.ceil(host.keepDoneMs) : 0,
    random: host.random,
    events: [],
    waits: [],
    now: 0,
    sequence: 0,
    lease: 0,
    version: 0,
    tallies: [],
    known: new Map(),
    anyCold: null,
    writes: createWrites(messages, lanes),
    found: new Map(),
    stirred: false,
    hasChores: true,
    dueAt: Number.POSITIVE_INFINITY,
    named: 0,
    seed: 0,
    stored: { sequence: 0, lease: 0, version: 0, named: 0, now: 0 },
  };
}

/** @param clockNow - whole milliseconds; where it lags, the file's own time counts */
export function openLedger(ledger: Ledger, clockNow: number): void {
  const [sequence, lease, version, named, now, seed] = ledger.rows.meta.get()!;
  ledger.seed = seed;
  ledger.now = Math.max(now, clockNow);
  ledger.sequence = sequence;
  ledger.lease = lease;
  ledger.version = version;
  ledger.named = named;
  ledger.stored = { sequence, lease, version, named, now };
  ledger.anyCold = null;
  ledger.stirred = false;
  ledger.dueAt = Number.POSITIVE_INFINITY;
  ledger.known.clear();
  ledger.waits.length = 0;
  if (version !== ledger.topology.version) loadTopology(ledger.rows, ledger.topology, version);
}

export function closeLedger(ledger: Ledger): void {
  const { rows, stored } = ledger;
  // The time goes with what was stamped with it: a turn that changes nothing writes nothing.
  let isStamped = false;
  for (const tally of ledger.tallies) {
    if (!tally.changed) continue;
    isStamped = true;
    storeTally(rows, tally);
  }
  clearTallies(ledger);
  if (ledger.sequence > lastSequence) throw exhausted();
  const { sequence, lease, version, named, now } = ledger;
  const isSame = sequence === stored.sequence && lease === stored.lease;
  if (isSame && !isStamped && version === stored.version && named === stored.named) return;
  rows.setMeta.run(sequence, lease, version, named, now);
}

export function dropLedger(ledger: Ledger): void {
  clearTallies(ledger);
  ledger.writes.drop();
  ledger.found.clear();
  ledger.topology.version = -1;
}

/** Writes what was gathered: to be called before anything reads messages or lanes again. */
export function flush({ writes, found }: Ledger): void {
  writes.flush();
  found.clear();
}

/** The counters of a subscription, to be changed. */
export function tallyOf(ledger: Ledger, subscription: Subscription): Tally {
  const { tally } = subscription;
  if (!tally.loaded) readTally(ledger, subscription);
  tally.changed = true;
  return tally;
}

/** The counters of a subscription, to look at. */
export function readTally(ledger: Ledger, subscription: Subscription): Tally {
  const { tally } = subscription;
  if (!tally.loaded) {
    loadTally(ledger.rows, tally);
    ledger.tallies.push(tally);
  }
  return tally;
}

/** The topic of a name, made if nobody has used it before. */
export function topicOf(ledger: Ledger, name: string): Topic {
  const { rows, topology } = ledger;
  const known = topology.topics.get(name);
  if (known !== undefined) return known;
  const [number] = rows.addTopic.get(name)!;
  moveVersion(ledger);
  topology.version = ledger.version;
  return addTopic(topology, number, name);
}

/** Outside of a turn, for who only looks. */
export function refresh(ledger: Ledger): void {
  const { rows, topology } = ledger;
  const [, , version, named] = rows.meta.get()!;
  ledger.named = named;
  if (version !== topology.version) loadTopology(rows, topology, version);
}

export function reloadTopology(ledger: Ledger): void {
  moveVersion(ledger);
  loadTopology(ledger.rows, ledger.topology, ledger.version);
  ledger.stirred = true;
}

/**
 * No version comes twice: what a connection has read in a transaction that was rolled back is never
 * taken for what others have made of the file since.
 */
function moveVersion(ledger: Ledger): void {
  ledger.version = (ledger.version + 1 + Math.floor(ledger.random() * versionStep)) % versions;
}

const versionStep = 2 ** 40;
const versions = 2 ** 52;

function clearTallies(ledger: Ledger): void {
  for (const tally of ledger.tallies) {
    tally.loaded = false;
    tally.changed = false;
  }
  ledger.tallies.length = 0;
}

function exhausted(): MaloteError {
  return new MaloteError(
    'ENGINE_FULL',
    'the sqlite file has used up its sequence; drain it and begin a new file',
  );
}
