/**
 * A process that asks a cache or a lock for what its supervisor says. Every load is written to a
 * file that outlives it, so that loads of killed processes count too.
 */
import { appendFileSync } from 'node:fs';
import { subscribe } from 'node:diagnostics_channel';
import { createBus, type HeldLock, type TransitionEvent, transitionChannel } from 'malote';
import { sqlite } from 'malote/sqlite';
import { dieWithParent, setupOf, tellParent } from '../crash/child.ts';
import type { Command, Setup } from './acts.ts';

const { file, name, loads, lease, how } = setupOf() as Setup;
const bus = createBus({ engine: sqlite(file), logger: false });
const held: HeldLock[] = [];
/** How to end the loads this process is at. */
const loading = new Map<string, () => void>();

/** Stops this process here, and goes on in the same turn once somebody continues it. */
function freeze(): void {
  let last = performance.now();
  process.kill(process.pid, 'SIGSTOP');
  for (;;) {
    const next = performance.now();
    if (next - last > lease / 2) return;
    last = next;
  }
}

/** Kills this process at the moment it is turned into text, which comes before it is stored. */
const dyingValue = { toJSON: () => process.kill(process.pid, 'SIGKILL') } as unknown as string;

const cache = bus.cache('rates', {
  ttl: '1h',
  lock: { ttl: lease },
  async load(key, { token }) {
    appendFileSync(loads, `${name}\t${key}\n`);
    const finished = new Promise<void>((resolve) => void loading.set(key, resolve));
    tellParent({ kind: 'loading', label: key, token });
    if (how === 'die') return dyingValue;
    if (how === 'freeze') freeze();
    else await finished;
    return `by ${name}`;
  },
});

async function ask(key: string, callers: number): Promise<void> {
  const call = async (): Promise<{ value: string; tookMs: number }> => {
    const startedAt = performance.now();
    const value = await cache.get(key);
    return { value, tookMs: performance.now() - startedAt };
  };
  const calls = Promise.all(Array.from({ length: callers }, call));
  tellParent({ kind: 'asked', label: key });
  const answers = await calls;
  const values = [...new Set(answers.map(({ value }) => value))];
  tellParent({ kind: 'answered', label: key, values, tookMs: answers.map(({ tookMs }) => tookMs) });
}

async function lock(key: string): Promise<void> {
  const taken = await bus.lock(key, { ttl: lease, wait: '1m' });
  held.push(taken);
  taken.signal.addEventListener('abort', () => tellParent({ kind: 'lost', label: key }));
  tellParent({ kind: 'locked', label: key, token: taken.token });
}

async function obey(command: Command): Promise<void> {
  switch (command.kind) {
    case 'ask':
      return await ask(command.key, command.callers);
    case 'finish':
      return loading.get(command.key)?.();
    case 'lock':
      return await lock(command.key);
    case 'release': {
      const released = await Promise.all(held.splice(0).map((one) => one.release()));
      return tellParent({ kind: 'released', values: released.map(String) });
    }
    case 'end':
      await bus.stop();
      // Nothing else keeps the process.
      process.channel?.unref();
  }
}

dieWithParent();
subscribe(transitionChannel, (told) => {
  const { kind } = told as TransitionEvent;
  if (kind === 'cache-refused') tellParent({ kind });
});
process.on('message', (command) => void obey(command as Command));
// It waits for commands until it is told to end.
process.channel?.ref();
// The first connection makes the file's tables; it is no part of what is measured.
await bus.subscriptions.list();
tellParent({ kind: 'up' });
