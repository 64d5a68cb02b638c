/**
 * Where a crash test takes place: an engine by a name, with which every process can open it, and
 * what it is known to do otherwise than SQLite.
 *
 *     /tmp/…/queue.db                       a SQLite file
 *     amqp://guest:guest@…#namespace#4#1s   a namespace on a RabbitMQ server, or on those of a
 *                      cluster (amqp://…,amqp://…), its partitions, and how long server and process
 *                      wait for a sign of life; behind it, if any, the file that keeps facts
 */
import { join } from 'node:path';
import { type Bus, type BusOptions, createBus } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { sqlite } from 'malote/sqlite';

export interface Arena {
  /** The name that {@link engineAt} opens. */
  readonly engine: string;
  /** Milliseconds; of processes that work in a campaign. */
  readonly leaseMs: number;
  /** Whether an ack and what its handler published are one step. */
  readonly isAtomic: boolean;
  /** Whether a process that slept through its lease is told. */
  readonly isFenced: boolean;
  /** Codes of troubles that pass by themselves. */
  readonly passing: readonly string[];
}

export function sqliteIn(folder: string): Arena {
  const engine = join(folder, 'queue.db');
  return { engine, leaseMs: 300, isAtomic: true, isFenced: true, passing: ['ENGINE_BUSY'] };
}

export interface RabbitmqArena {
  readonly partitions?: number;
  /** What stands still is noticed soon: also a process that a crowded machine keeps waiting. */
  readonly heartbeat?: '1s' | '60s';
  /** A store beside the server. */
  readonly store?: string;
}

/** Here a lease is the connection, and its time only how long a call waits for the server. */
export function rabbitmqAt(
  url: string,
  namespace: string,
  { partitions = 4, heartbeat = '1s', store = '' }: RabbitmqArena = {},
): Arena {
  return {
    engine: `${url}#${namespace}#${partitions}#${heartbeat}#${store}`,
    leaseMs: 10_000,
    isAtomic: false,
    isFenced: false,
    passing: ['ENGINE_UNREACHABLE', 'INDETERMINATE'],
  };
}

export function engineAt(name: string): BusOptions<never>['engine'] {
  if (!/^amqps?:/.test(name)) return sqlite(name);
  const [url = '', namespace = '', partitions, heartbeat] = name.split('#');
  return rabbitmq(url.split(','), {
    namespace,
    partitions: Number(partitions),
    heartbeat: heartbeat as '1s',
  });
}

type Given = Omit<BusOptions<never>, 'engine' | 'store'> &
  Partial<Pick<BusOptions<never>, 'engine'>>;

/** A bus there, with the store that the name says, if any; for facts alone. */
export function busAt(name: string, given: Given): Bus {
  const options = { engine: engineAt(name), ...given };
  const store = /^amqps?:/.test(name) ? (name.split('#')[4] ?? '') : '';
  return store === ''
    ? createBus(options)
    : createBus({ ...options, store: sqlite(store), relay: false });
}
