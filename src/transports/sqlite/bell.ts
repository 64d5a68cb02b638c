/**
 * The doorbell between the processes of one file: "look, something was committed", and news of a
 * process that died. Hints only: all of it may be lost without a message being lost or late for
 * longer than a poll.
 *
 *     <file>.bell/<session>   a Unix socket per session; on Windows a named pipe
 *     on every connection, both ways:   <session>\n   then  !  (rung)  and  .  (goodbye)
 *
 * What holds:
 *  1. A socket gets its name after it listens, so a refused connection proves its process gone.
 *  2. A connection that ended without a goodbye is suspicion, not proof (the peer may have been out
 *     of descriptors): the peer is dialled again, and only the answer to that counts.
 *  3. A peer that is stopped keeps its connections. It costs one byte, which waits in this process
 *     until the peer reads again, and no news.
 */
import { connect, createServer, type Socket } from 'node:net';
import type { Clock, Timer } from '../../clock.ts';
import { MaloteError, optionInvalid } from '../../errors.ts';
import { directoryOf, longestSession, pipesOf } from './bell-place.ts';
import { hasCode } from './driver-errors.ts';

export interface BellOptions {
  /** The real path of the database. */
  readonly path: string;
  /** Unique for ever: letters, digits, `_` and `-`, at most 36. */
  readonly sessionId: number | string;
  readonly clock: Clock;
  /** Somebody committed something, or may have. Must not throw. */
  onRing(): void;
  /** The process of this session has ended without closing its bell. Must not throw. */
  onPeerGone(sessionId: string): void;
}

export interface Bell {
  /** Resolves once this session can be rung, or cannot ever. Never rejects. */
  readonly ready: Promise<void>;
  /** Rings every other session that is connected. Never throws, never waits. */
  ring(): void;
  /** The sessions the file knows: those that are not connected are looked for. */
  peers(sessionIds: readonly (number | string)[]): void;
  /** Why this session hears and rings nobody; null while all is well. */
  problem(): MaloteError | null;
  /** Keeps the process alive while the bell is open; by default it does not. */
  ref(): void;
  unref(): void;
  /** Says goodbye, so that nobody takes this session for dead. */
  close(): void;
  /** Drops everything without a word, as a dying process does. */
  abandon(): void;
}

/** One connection, whoever opened it. */
interface Link {
  readonly socket: Socket;
  /** Undefined until the peer has introduced itself. */
  peer: string | undefined;
  introduction: string;
  saidGoodbye: boolean;
}

/** How a peer is looked for. */
interface Search {
  readonly peer: string;
  /** It was connected before: then a missing socket, too, means that it is gone. */
  readonly wasConnected: boolean;
  readonly tries: number;
}

const sessionPattern = /^[\w-]{1,36}$/;
const rung = '!';
const goodbye = '.';
/** A dying process closes its descriptors one by one, its listening socket perhaps last. */
const searchTries = 10;
const createTries = 3;

export function createBell(options: BellOptions): Bell {
  const { path, clock, onRing, onPeerGone } = options;
  const me = nameOf(options.sessionId);
  const place = process.platform === 'win32' ? pipesOf(path) : directoryOf(path);
  const sockets = new Set<Socket>();
  const linksOf = new Map<string, Set<Link>>();
  const searches = new Set<string>();
  const timers = new Set<Timer>();
  let announce: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    announce = resolve;
  });
  const server = createServer((socket) => adopt(socket, () => undefined));
  let isOpen = true;
  let isHeld = false;
  let problem: MaloteError | null = null;
  let triesLeft = createTries;

  function open(): void {
    try {
      place.create();
      server.listen({ path: place.draft(me), exclusive: true });
      if (!isHeld) server.unref();
    } catch (error) {
      giveUp(error);
    }
  }

  server.on('listening', () => {
    if (!isOpen) return;
    try {
      place.publish(me);
      announce();
      look(place.sessions());
    } catch (error) {
      giveUp(error);
    }
  });

  server.on('error', (error) => {
    // Once it listens: out of descriptors for a moment.
    if (!isOpen || server.listening) return;
    // The last session that leaves removes the directory, perhaps just now.
    if (--triesLeft > 0) open();
    else giveUp(error);
  });

  function giveUp(error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    problem ??= new MaloteError(
      'ENGINE_FAILED',
      `the doorbell of "${path}" cannot be hung up (${detail}); other processes are noticed ` +
        'later, by looking at the file. Let the user of this process own the directory beside it',
      { cause: error },
    );
    announce();
  }

  function look(peers: readonly string[]): void {
    if (!isOpen || problem !== null) return;
    for (const peer of peers) {
      const isKnown = peer === me || linksOf.has(peer) || searches.has(peer);
      if (!isKnown && sessionPattern.test(peer)) dial({ peer, wasConnected: false, tries: 0 });
    }
  }

  function dial(search: Search): void {
    const { peer, wasConnected } = search;
    searches.add(peer);
    let refusal: unknown;
    const socket = connect(place.address(peer));
    socket.on('error', (error) => (refusal ??= error));
    adopt(socket, (link) => {
      searches.delete(peer);
      const isProof = hasCode(refusal, 'ECONNREFUSED', ...(wasConnected ? ['ENOENT'] : []));
      if (link.peer === undefined && isProof) mourn(peer);
      else if (link.peer === undefined && !hasCode(refusal, 'ENOENT')) dialLater(search);
    });
  }

  function dialLater({ peer, wasConnected, tries }: Search): void {
    if (tries === searchTries) return;
    searches.add(peer);
    const timer = clock.setTimer(() => {
      timers.delete(timer);
      if (isOpen) dial({ peer, wasConnected, tries: tries + 1 });
    }, 2 ** tries);
    timers.add(timer.unref());
  }

  function mourn(peer: string): void {
    place.remove(peer);
    onPeerGone(peer);
  }

  /** @param onClose - hears of the end of a connection, unless this bell made it */
  function adopt(socket: Socket, onClose: (link: Link) => void): void {
    const link: Link = { socket, peer: undefined, introduction: '', saidGoodbye: false };
    sockets.add(socket);
    if (!isHeld) socket.unref();
    socket.setEncoding('latin1');
    socket.write(`${me}\n`);
    socket.on('data', (text: string) => {
      if (isOpen) hear(link, text);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      if (!isOpen) return;
      onClose(link);
      part(link);
    });
  }

  function hear(link: Link, text: string): void {
    let signals = text;
    if (link.peer === undefined) {
      link.introduction += text;
      const [name = '', rest] = link.introduction.split('\n', 2);
      if (rest === undefined && name.length <= longestSession) return;
      if (rest === undefined || !sessionPattern.test(name)) {
        link.socket.destroy();
        return;
      }
      meet(link, name);
      signals = rest;
    }
    if (signals.includes(goodbye)) link.saidGoodbye = true;
    if (signals.includes(rung)) onRing();
  }

  function meet(link: Link, peer: string): void {
    link.peer = peer;
    searches.delete(peer);
    const links = linksOf.get(peer);
    if (links === undefined) linksOf.set(peer, new Set([link]));
    else links.add(link);
    // It may have committed before it could ring here.
    onRing();
  }

  function part(link: Link): void {
    const { peer } = link;
    const links = peer === undefined ? undefined : linksOf.get(peer);
    if (peer === undefined || links === undefined) return;
    links.delete(link);
    if (links.size > 0) return;
    linksOf.delete(peer);
    if (!link.saidGoodbye) dial({ peer, wasConnected: true, tries: 0 });
  }

  /** What a dying process does; the rest of a polite end comes before. */
  function drop(): void {
    isOpen = false;
    for (const timer of timers) timer.cancel();
    for (const socket of sockets) socket.destroy();
    server.close();
    announce();
  }

  function hold(held: boolean): void {
    isHeld = held;
    for (const handle of [server, ...sockets]) {
      if (held) handle.ref();
      else handle.unref();
    }
  }

  open();
  return {
    ready,
    ring() {
      for (const [link] of linksOf.values()) {
        const socket = link?.socket;
        // A ring that is not sent yet will do for this commit as well.
        if (socket?.writable === true && socket.writableLength === 0) socket.write(rung);
      }
    },
    peers: (sessionIds) => look(sessionIds.map(String)),
    problem: () => problem,
    ref: () => hold(true),
    unref: () => hold(false),
    close() {
      if (!isOpen) return;
      place.remove(me);
      for (const socket of sockets) if (!socket.connecting) socket.write(goodbye);
      drop();
    },
    abandon() {
      if (isOpen) drop();
    },
  };
}

function nameOf(sessionId: number | string): string {
  if (sessionPattern.test(String(sessionId))) return String(sessionId);
  throw optionInvalid('session id', '1 to 36 letters, digits, "_" or "-"', sessionId);
}
