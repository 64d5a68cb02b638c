/** A second process of a contestant, and the words between the two. */

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CacheSettings, FlowSettings } from '../scenario.ts';

/** What the second process is told to be. */
export type PeerSpec = (
  | {
      readonly program: 'idle' | 'pair' | 'takeover' | 'standing' | 'rebalance' | 'release';
      readonly settings: FlowSettings;
    }
  | { readonly program: 'cold'; readonly settings: CacheSettings }
) & { readonly place: string };

type Word = { readonly word: string; readonly value: unknown };

/** The other end: the parent as the child sees it, or the other way round. */
export interface Peer {
  say(word: string, value?: unknown): void;
  /** Resolves with the next value said under this word; each is heard once, in order. */
  heard(word: string): Promise<unknown>;
  /** Calls `listener` for every value said under this word. */
  on(word: string, listener: (value: unknown) => void): void;
  end(): void;
}

export interface ForkedPeer extends Peer {
  /** Ends it with no moment to say anything; resolves when it is gone. */
  kill(): Promise<void>;
}

interface Channel {
  send?: (word: Word) => unknown;
  on(event: 'message', listener: (word: Word) => void): unknown;
  once(event: 'exit', listener: () => void): unknown;
  disconnect?: () => void;
}

export function forkPeer(spec: PeerSpec): ForkedPeer {
  const entry = fileURLToPath(new URL('../peer.ts', import.meta.url));
  const child: ChildProcess = fork(entry, [JSON.stringify(spec)], {
    serialization: 'advanced',
  });
  return {
    ...createPeer(child),
    kill: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGKILL');
      }),
  };
}

export function createPeer(channel: Channel): Peer {
  const waiting = new Map<string, ((value: unknown) => void)[]>();
  const early = new Map<string, unknown[]>();
  const listeners = new Map<string, (value: unknown) => void>();
  let failed: ((error: Error) => void)[] = [];
  let hasEnded = false;
  channel.on('message', ({ word, value }) => {
    const listener = listeners.get(word);
    const first = waiting.get(word)?.shift();
    if (listener !== undefined) listener(value);
    else if (first !== undefined) first(value);
    else early.set(word, [...(early.get(word) ?? []), value]);
  });
  channel.once('exit', () => {
    hasEnded = true;
    for (const fail of failed) fail(ended());
    failed = [];
  });
  return {
    say(word, value = null) {
      if (!hasEnded) channel.send?.({ word, value });
    },
    heard(word) {
      const said = early.get(word) ?? [];
      if (said.length > 0) return Promise.resolve(said.shift());
      if (hasEnded) return Promise.reject(ended());
      return new Promise((resolve, reject) => {
        waiting.set(word, [...(waiting.get(word) ?? []), resolve]);
        failed.push(reject);
      });
    },
    on: (word, listener) => void listeners.set(word, listener),
    end: () => channel.disconnect?.(),
  };
}

function ended(): Error {
  return new Error('the other process ended');
}
