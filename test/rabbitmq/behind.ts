/** A bus whose connection ends where it asks the server for one thing or another. */
import assert from 'node:assert/strict';
import { type Bus, createBus, MaloteError } from 'malote';
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
  /** With the first, the second … such call the connection ends. */
  readonly which: number;
  /** Whether the server gets it. */
  readonly fate?: 'last' | 'lost';
  readonly lease?: '2s' | '20s';
}

let made = 0;

export async function behind(server: Server, ending: Ending): Promise<Behind> {
  const { call, which, fate = 'last', lease = '2s' } = ending;
  let left = Number.POSITIVE_INFINITY;
  let isLast: (() => void) | undefined;
  const proxy = await startProxy(server.port, (chunk) => {
    if (!chunk.includes(call)) return 'passes';
    left -= 1;
    if (left !== 0) return 'passes';
    isLast?.();
    return fate;
  });
  const namespace = `behind-${(made += 1)}`;
  const engine = rabbitmq(through(server, proxy), { namespace, heartbeat: '1s', partitions: 2 });
  const quiet = { logger: false, handleSignals: false } as const;
  const bus = createBus({ engine, lease, ...quiet });
  const arm = (last?: () => void): void => {
    left = which;
    isLast = last;
  };
  return { bus, proxy, namespace, arm };
}

/** The address of a server by way of a proxy. */
export function through({ url, port }: Pick<Server, 'url' | 'port'>, proxy: Proxy): string {
  return url.replace(`:${port}`, `:${proxy.port}`);
}

export function codeOf(error: unknown): string {
  return error instanceof MaloteError ? error.code : String(error);
}

/** As whoever runs a process does where a start is refused. */
export async function startAgain(bus: Bus): Promise<void> {
  for (;;) {
    try {
      await bus.start();
      return;
    } catch (error) {
      assert.ok(error instanceof MaloteError, String(error));
    }
  }
}
