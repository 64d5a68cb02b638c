/**
 * `memory()`: the engine that lives in this process and survives nothing. The reference of the
 * contract, and the engine of tests.
 *
 * It comes in the two shapes that engines have, so that nothing is written for one of them alone:
 * `lanes`, as a database does it, and `partitions`, as a broker does it. The engine value is the
 * server; every connection to it stands for one process.
 */

import { optionInvalid } from '../../errors.ts';
import { checkNames } from '../../message/checks.ts';
import type { Capabilities } from '../../transport/capabilities.ts';
import type { Engine } from '../../transport/transport.ts';
import { createBroker } from './broker.ts';
import { coordinated } from './coordination.ts';
import { createSlots } from './coordination-slots.ts';
import { openLanes } from './lanes.ts';
import { createServer } from './lanes-server.ts';
import { openPartitions } from './partitions.ts';

export interface MemoryOptions {
  /**
   * How consumers hold messages: each key by itself, or fixed partitions of them.
   * @defaultValue 'lanes'
   */
  readonly shape?: 'lanes' | 'partitions';
  /**
   * Into how many partitions the keys of a subscription are spread, 1 to 1,024.
   * @defaultValue 8
   */
  readonly partitions?: number;
}

const lanesCapabilities: Capabilities = {
  delivery: 'lanes',
  lease: 'timed',
  fencing: true,
  dedupe: true,
  atomicSettle: true,
  settlesForGood: true,
  survives: 'nothing',
  factsSurvive: 'nothing',
  keepsFacts: false,
  processes: 'one',
  transactions: false,
  coordination: true,
  // What a string of this machine may hold; a body is never copied.
  maxBodyBytes: 2 ** 29,
  lookup: true,
  counts: 'exact',
};

const partitionsCapabilities: Capabilities = {
  ...lanesCapabilities,
  delivery: 'partitions',
  lease: 'connection',
  fencing: false,
  dedupe: false,
  atomicSettle: false,
  settlesForGood: true,
};

export function memory(options: MemoryOptions = {}): Engine {
  checkOptions(options);
  if (options.shape === 'partitions') return partitioned(options.partitions ?? 8);
  const server = createServer();
  const slots = createSlots();
  return {
    name: 'memory',
    address: newAddress(),
    capabilities: lanesCapabilities,
    open: async (host) => coordinated(openLanes(server, host), slots, host),
    examine: async () => [],
  };
}

function partitioned(partitions: number): Engine {
  const broker = createBroker(partitions);
  const slots = createSlots();
  return {
    name: 'memory',
    address: newAddress(),
    capabilities: partitionsCapabilities,
    async open(host) {
      const facts = (await host.facts?.()) ?? null;
      return coordinated(openPartitions(broker, host, facts), slots, host);
    },
    examine: async () => [],
  };
}

let servers = 0;

function newAddress(): string {
  servers += 1;
  return `memory:${servers}`;
}

const known = ['shape', 'partitions'];

function checkOptions(options: MemoryOptions): void {
  checkNames('memory()', options, known);
  const { shape = 'lanes', partitions = 8 } = options;
  if (shape !== 'lanes' && shape !== 'partitions') {
    throw optionInvalid('memory() shape', '"lanes" or "partitions"', shape);
  }
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > 1_024) {
    throw optionInvalid('memory() partitions', 'an integer from 1 to 1024', partitions);
  }
}
