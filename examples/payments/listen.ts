/** Serves on the loopback addresses, 127.0.0.1 and ::1, so that `localhost` works as either. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';

export interface Listening {
  readonly port: number;
  /** Takes no new connection, and waits up to 5 s for requests under way. */
  close(): Promise<void>;
}

export type Fetch = (request: Request) => Response | Promise<Response>;

/** @param wanted - 0 for any free port */
export async function listen(fetch: Fetch, wanted: number): Promise<Listening> {
  const first = await bind(fetch, '127.0.0.1', wanted);
  const { port } = first.address() as AddressInfo;
  const servers = [first];
  try {
    servers.push(await bind(fetch, '::1', port));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A machine without IPv6 does without.
    if (code !== 'EADDRNOTAVAIL' && code !== 'EAFNOSUPPORT') {
      await close(first);
      if (code === 'EADDRINUSE' && wanted === 0) return await listen(fetch, 0);
      throw error;
    }
  }
  return {
    port,
    close: async () => {
      await Promise.all(servers.map(close));
    },
  };
}

async function bind(fetch: Fetch, host: string, port: number): Promise<Server> {
  const server = createAdaptorServer({ fetch }) as Server;
  server.listen({ host, port });
  await once(server, 'listening');
  return server;
}

async function close(server: Server): Promise<void> {
  const patience = setTimeout(() => server.closeAllConnections(), 5_000);
  const closed = once(server, 'close');
  server.close();
  await closed;
  clearTimeout(patience);
}
