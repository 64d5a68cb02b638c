/** The engine, of settings that are checked; the tests give it smaller limits. */

import type { Capabilities } from '../../transport/capabilities.ts';
import type { Engine } from '../../transport/transport.ts';
import { addressOf } from './addresses.ts';
import { examine } from './examine.ts';
import { openTransport } from './open.ts';
import { maxBodyBytes, type Settings } from './settings.ts';

export function engineOf(settings: Settings): Engine {
  const capabilities: Capabilities = {
    delivery: 'partitions',
    lease: 'connection',
    fencing: false,
    dedupe: false,
    atomicSettle: false,
    settlesForGood: false,
    survives: settings.queues === 'quorum' ? 'power-loss' : 'process-crash',
    // A server writes what is on a stream to its file, and does not wait for the disk.
    factsSurvive: 'process-crash',
    keepsFacts: false,
    processes: 'many',
    transactions: false,
    maxBodyBytes,
    coordination: false,
    lookup: false,
    counts: 'estimate',
  };
  return {
    name: 'rabbitmq',
    address: addressOf(settings),
    capabilities,
    open: (host) => openTransport(settings, host),
    examine: () => examine(settings),
  };
}
