/**
 * A TCP proxy on the loopback that loses connections on demand: at once, or where the next answer
 * of the server would come, so that the server has done what nobody hears of.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Proxy {
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  /** Resets every connection. */
  cut(): void;
  /**
   * Resets each connection that is open now as soon as the server has answered something on it, or
   * after some seconds in which it did not. Resolves when the last of them is reset.
   */
  mute(): Promise<void>;
  /** Passes nothing on any more of one connection, by the order of their coming, and ends none. */
  hush(index: number): void;
  /** Keeps back what the server says on one connection, until it is released. */
  holdBack(index: number): { release(): void };
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  isMute: boolean;
  isHushed: boolean;
  readonly over: Promise<void>;
  /** Ends `over`. A socket that is reset while it shuts down says no `close`. */
  isOver(): void;
}

/** More than a server that is at work leaves between two heartbeats. */
const mostSilentMs = 10_000;

/**
 * What becomes of something that a client sends: it is the last that the server gets, and never
 * answered; or it is lost, and the connection with it.
 */
export type Fate = 'passes' | 'last' | 'lost';

/** @param port any free one, unless it is to come back where it was */
export async function startProxy(
  target: number,
  fateOf: (chunk: Buffer) => Fate = () => 'passes',
  port = 0,
): Promise<Proxy> {
  const pairs = new Set<Pair>();
  const listener = createServer((client) => {
    const server = connect(target, '127.0.0.1');
    let isOver: () => void = () => undefined;
    const over = new Promise<void>((resolve) => (isOver = resolve));
    const pair: Pair = { client, server, isMute: false, isHushed: false, over, isOver };
    pairs.add(pair);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => pair.isHushed || reset(pair));
    }
    client.on('data', (chunk) => {
      if (pair.isHushed) return;
      const fate = fateOf(chunk);
      if (fate === 'lost') reset(pair);
      else if (fate === 'last') end(pair, chunk);
      else if (!server.write(chunk)) client.pause();
    });
    server.on('drain', () => client.resume());
    server.on('data', (chunk) => {
      if (pair.isHushed) return;
      if (pair.isMute) reset(pair);
      else if (!client.write(chunk)) server.pause();
    });
    client.on('drain', () => server.resume());
  });

  /** The server reads what it was sent before it hears of the end. */
  function end(pair: Pair, chunk: Buffer): void {
    pair.isHushed = true;
    pair.client.resetAndDestroy();
    pair.server.once('close', () => reset(pair));
    pair.server.end(chunk);
    pair.server.resume();
  }

  function reset(pair: Pair): void {
    pairs.delete(pair);
    pair.client.resetAndDestroy();
    pair.server.resetAndDestroy();
    pair.isOver();
  }

  await new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve));
  return {
    port: (listener.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    cut() {
      for (const pair of [...pairs]) reset(pair);
    },
    async mute() {
      const muted = [...pairs];
      for (const pair of muted) pair.isMute = true;
      const patience = setTimeout(() => muted.forEach(reset), mostSilentMs);
      await Promise.all(muted.map(({ over }) => over));
      clearTimeout(patience);
    },
    hush(index) {
      [...pairs][index]!.isHushed = true;
    },
    holdBack(index) {
      const { server } = [...pairs][index]!;
      server.pause();
      return { release: () => void server.resume() };
    },
    async close() {
      const closed = new Promise((resolve) => listener.close(resolve));
      for (const pair of [...pairs]) reset(pair);
      await closed;
    },
  };
}
