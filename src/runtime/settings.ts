/** The options of a bus, checked: what is missing has its default, what is wrong is refused. */

import { MaloteError, optionInvalid } from '../errors.ts';
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
  'maxBodyBytes',
  'maxBodyDepth',
  'handleSignals',
  'logger',
] as const;

export function resolveSettings(
  given: BusOptions<never> | StoredBusOptions<never>,
): options.BusSettings {
  const { defaults } = options;
  options.checkNames('createBus', given, busNames);
  if (typeof given.engine?.open !== 'function') {
    throw optionInvalid(
      'createBus: engine',
      "an engine, made by one of malote's engine entries",
      given.engine,
    );
  }
  checkStore(given.store);
  const maxBodyBytes = given.maxBodyBytes ?? defaults.maxBodyBytes;
  const { maxBodyBytes: engineLimit } = given.engine.capabilities;
  return {
    name: given.name ?? defaults.name,
    leaseMs: toMs(given.lease ?? defaults.lease, 'createBus: lease', 100),
    journal: options.oneOf('createBus: journal', given.journal ?? defaults.journal, [
      'off',
      'exceptions',
    ]),
    maxBodyBytes: options.whole('createBus: maxBodyBytes', maxBodyBytes, [1, engineLimit]),
    maxBodyDepth: options.whole(
      'createBus: maxBodyDepth',
      given.maxBodyDepth ?? defaults.maxBodyDepth,
      [1, 1_000],
    ),
    handleSignals: options.truth(
      'createBus: handleSignals',
      given.handleSignals ?? defaults.handleSignals,
    ),
    relays: options.truth('createBus: relay', relayOf(given) ?? defaults.relay),
  };
}

function relayOf(given: object): boolean | undefined {
  return (given as { readonly relay?: boolean }).relay;
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
