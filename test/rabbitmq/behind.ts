/** A bus whose connection ends where it asks the server for one thing or another. */
import { type Bus, createBus } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { type Proxy, startProxy } from '../support/proxy.ts';
import type { Server } from './server.ts';

export interface Behind {
  readonly bus: Bus;
  readonly proxy: Proxy;
  readonly namespace: string;
  /** From now on calls are counted; tells of the one that is the last. */
  arm(last?: () => void): void;
}

export interface Ending {
  /** Class and method, as they stand in a frame; that, or what else it contains. */
  readonly call: Buffer;
  /** The first, the second … such call is passed on, and the connection ends unanswered. */
  readonly which: number;
  readonly lease?: '2s' | '20s';
}

let made = 0;

export async function behind(server: Server, { call, which, lease }: Ending): Promise<Behind> {
  let left = Number.POSITIVE_INFINITY;
  let isLast: (() => void) | undefined;
  const proxy = await startProxy(server.port, (chunk) => {
    if (!chunk.includes(call)) return false;
    left -= 1;
    if (left === 0) isLast?.();
    return left === 0;
  });
  const url = server.url.replace(`:${server.port}`, `:${proxy.port}`);
  const namespace = `behind-${(made += 1)}`;
  const engine = rabbitmq(url, { namespace, heartbeat: '1s', partitions: 2 });
  const quiet = { logger: false, handleSignals: false } as const;
  const bus = createBus({ engine, lease: lease ?? '2s', ...quiet });
  const arm = (last?: () => void): void => {
    left = which;
    isLast = last;
  };
  return { bus, proxy, namespace, arm };
}
