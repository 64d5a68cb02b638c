/**
 * Where a crash test takes place: an engine by a name, with which every process can open it, and
 * what it is known to do otherwise than SQLite.
 *
 *     /tmp/…/queue.db                       a SQLite file
 *     amqp://guest:guest@…#namespace#4#1s   a namespace on a RabbitMQ server, its partitions, and
 *                      how long server and process wait for a sign of life
 */
import { join } from 'node:path';
import type { BusOptions } from 'malote';
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
}

/** Here a lease is the connection, and its time only how long a call waits for the server. */
export function rabbitmqAt(
  url: string,
  namespace: string,
  { partitions = 4, heartbeat = '1s' }: RabbitmqArena = {},
): Arena {
  return {
    engine: `${url}#${namespace}#${partitions}#${heartbeat}`,
    leaseMs: 10_000,
    isAtomic: false,
    isFenced: false,
    passing: ['ENGINE_UNREACHABLE', 'INDETERMINATE'],
  };
}

export function engineAt(name: string): BusOptions<never>['engine'] {
  if (!/^amqps?:/.test(name)) return sqlite(name);
  const [url = '', namespace = '', partitions, heartbeat] = name.split('#');
  return rabbitmq(url, { namespace, partitions: Number(partitions), heartbeat: heartbeat as '1s' });
}
