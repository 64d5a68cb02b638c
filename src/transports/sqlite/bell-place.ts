/**
 * Where the sockets of a doorbell are: in a directory that only its user may enter, beside the file
 * or, where that path is too long for a socket, among the temporary files. Every process must come
 * to the same place by itself.
 */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from './driver-errors.ts';

/** Where the sockets of one file are. */
export interface Place {
  /** Makes the directory if need be. Throws where sockets cannot be. */
  create(): void;
  /** The address a session begins to listen at. */
  draft(session: string): string;
  /** Gives a listening socket the address that others look at. */
  publish(session: string): void;
  address(session: string): string;
  sessions(): readonly string[];
  remove(session: string): void;
}

/** A session's name in characters, at most. */
export const longestSession = 36;
/** Of the 104 to 108 bytes that the address of a Unix socket may have. */
const longestAddress = 100;

/** Sockets in a directory of their own, beside the file where that is near enough to the root. */
export function directoryOf(path: string): Place {
  const name = `ml-${shortHash(path)}`;
  const beside = `${path}.bell`;
  const places = [beside, join(tmpdir(), name), join('/tmp', name)];
  const directory = places.find(
    (place) => Buffer.byteLength(place) + longestSession + 2 <= longestAddress,
  );
  const address = (session: string): string => join(directory ?? beside, session);
  const draft = (session: string): string => `${address(session)}~`;
  return {
    address,
    create() {
      if (directory === undefined) throw new Error('every path for its sockets is too long');
      makeDirectory(directory);
      checkOwner(directory, lstatSync(directory), { mayRootVisit: directory === beside });
    },
    draft(session) {
      rmSync(draft(session), { force: true });
      return draft(session);
    },
    publish: (session) => renameSync(draft(session), address(session)),
    sessions() {
      const entries = readdirSync(directory ?? beside, { withFileTypes: true });
      return entries.filter((entry) => entry.isSocket()).map((entry) => entry.name);
    },
    remove(session) {
      try {
        if (lstatSync(address(session)).isSocket()) unlinkSync(address(session));
        // Succeeds for the last session only.
        rmdirSync(directory ?? beside);
      } catch {
        // What cannot be removed is in nobody's way: it refuses connections.
      }
    },
  };
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
    chmodSync(directory, 0o700);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

/** Whoever can put sockets there can pretend that a session rings or has died. */
function checkOwner(
  directory: string,
  stats: Stats,
  { mayRootVisit }: { readonly mayRootVisit: boolean },
): void {
  const { uid, mode } = stats;
  const me = process.getuid?.() ?? uid;
  const isTrusted = uid === me || (mayRootVisit && me === 0);
  if (isTrusted && stats.isDirectory() && (mode & 0o022) === 0) return;
  throw new Error(`"${directory}" is not a directory that only its own user may write`);
}

/** Named pipes have no directory: peers are found by the sessions in the file alone. */
export function pipesOf(path: string): Place {
  const prefix = `\\\\.\\pipe\\malote-${shortHash(path)}-`;
  const address = (session: string): string => prefix + session;
  return {
    address,
    draft: address,
    create: () => undefined,
    publish: () => undefined,
    sessions: () => [],
    remove: () => undefined,
  };
}

/** 52 bits, to tell the files of one machine apart; nothing rests on it. */
function shortHash(text: string): string {
  let low = 0x811c9dc5;
  let high = 0x9dc5811c;
  for (const byte of Buffer.from(text)) {
    low = Math.imul(low ^ byte, 0x01000193);
    high = Math.imul(high ^ byte, 0x85ebca6b);
    high ^= high >>> 13;
  }
  return ((high & 0xfffff) * 2 ** 32 + (low >>> 0)).toString(36);
}
