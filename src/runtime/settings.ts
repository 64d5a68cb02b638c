/** The options of a bus, checked: what is missing has its default, what is wrong is refused. */

import { MaloteError, optionInvalid } from '../errors.ts';
import * as checks from '../message/checks.ts';
import { toMs } from '../message/duration.ts';
import type { Engine } from '../transport/transport.ts';
import type { BusOptions, StoredBusOptions } from './bus.ts';
import * as options from './options.ts';

const busNames = [
  'engine',
  'store',
  'relay',
  'name',
  'lease',
  'journal',
  'keepDone',
  'maxBodyBytes',
  'maxBodyDepth',
  'handleSignals',
  'logger',
] as const;

export function resolveSettings(
  given: BusOptions<never> | StoredBusOptions<never>,
): options.BusSettings {
  const { defaults } = options;
  checks.checkNames('createBus', given, busNames, ['relay.onDead']);
  if (typeof given.engine?.open !== 'function') {
    throw optionInvalid(
      'createBus: engine',
      typeof given.engine === 'function'
        ? 'an engine: what that function makes when it is called'
        : "an engine, made by one of malote's engine entries",
      given.engine,
    );
  }
  checkStore(given.store);
  const relay = relayOf(given);
  if (relay !== undefined && given.store === undefined) {
    throw optionInvalid('createBus: relay', 'absent where there is no store', relay);
  }
  const maxBodyBytes = given.maxBodyBytes ?? defaults.maxBodyBytes;
  const { maxBodyBytes: engineLimit } = given.engine.capabilities;
  return {
    name: given.name ?? defaults.name,
    leaseMs: toMs(given.lease ?? defaults.lease, 'createBus: lease', 100),
    ...journalOf(given),
    maxBodyBytes: checks.whole('createBus: maxBodyBytes', maxBodyBytes, [1, engineLimit]),
    maxBodyDepth: checks.whole(
      'createBus: maxBodyDepth',
      given.maxBodyDepth ?? defaults.maxBodyDepth,
      [1, 1_000],
    ),
    handleSignals: checks.truth(
      'createBus: handleSignals',
      given.handleSignals ?? defaults.handleSignals,
    ),
    relay: options.relaying(relay ?? defaults.relay),
  };
}

const journalModes: readonly options.BusSettings['journal'][] = ['off', 'exceptions', 'all'];

function journalOf({
  engine,
  journal: given,
  keepDone,
}: BusOptions<never> | StoredBusOptions<never>): Pick<
  options.BusSettings,
  'journal' | 'keepDoneMs'
> {
  const { defaults } = options;
  const journal = checks.oneOf('createBus: journal', given ?? defaults.journal, journalModes);
  if (journal === 'all' && !engine.capabilities.lookup) {
    throw new MaloteError(
      'CAPABILITY_MISSING',
      `createBus: journal cannot be "all" on ${engine.name}, which finds no message by its id; ` +
        'leave it at "exceptions", or take an engine with capabilities.lookup',
    );
  }
  if (journal !== 'all' && keepDone !== undefined) {
    throw optionInvalid('createBus: keepDone', 'absent unless journal is "all"', keepDone);
  }
  const keepDoneMs = toMs(keepDone ?? defaults.keepDone, 'createBus: keepDone', 1_000);
  return { journal, keepDoneMs };
}

function relayOf(given: object): StoredBusOptions<never>['relay'] {
  return (given as Partial<StoredBusOptions<never>>).relay;
}

function checkStore(store: Engine | undefined): void {
  if (store === undefined) return;
  if (typeof store?.open !== 'function') {
    throw optionInvalid('createBus: store', 'an engine that is a database', store);
  }
  if (store.capabilities.transactions) return;
  throw new MaloteError(
    'CAPABILITY_MISSING',
    `createBus: store must be a database that the caller has transactions in, got ${store.name}`,
  );
}
