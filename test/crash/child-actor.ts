/**
 * A worker that does what its messages and its supervisor say: it holds a message until it is told
 * to go on, freezes, or dies in the middle of a handler. Reports every step, and writes it down.
 */
import { subscribe } from 'node:diagnostics_channel';
import { setImmediate as turn } from 'node:timers/promises';
import {
  createBus,
  fixed,
  type HandlerContext,
  type TransitionEvent,
  transitionChannel,
} from 'malote';
import { type Act, type ActorSetup, type Command, subscription, workAsked } from './acts.ts';
import { engineAt } from './arena.ts';
import { dieWithParent, setupOf, tellParent } from './child.ts';
import { now, openHistory } from './history.ts';

const { engine, name, histories, lease, concurrency, attempts } = setupOf() as ActorSetup;
const write = openHistory(histories, name);
const bus = createBus({ engine: engineAt(engine), lease, logger: false });
const labels = new Map<string, string>();
const held = new Map<string, () => void>();
const mayGo = new Set<string>();

async function handle({ label, kind }: Act, context: HandlerContext): Promise<void> {
  const { id, attempt, signal } = context;
  signal.addEventListener('abort', () => {
    const { code } = signal.reason as { readonly code?: string };
    tellParent({ kind: 'aborted', label, ...(code === undefined ? {} : { code }) });
  });
  const about = { subscription, label, id, attempt };
  labels.set(id, label);
  write({ f: 'start', at: now(), ...about, stagedBy: null });
  tellParent({ kind: 'start', label, attempt, at: now() });
  if (kind === 'die-later') await turn();
  if (kind.startsWith('die')) process.kill(process.pid, 'SIGKILL');
  if (kind === 'hold' && !mayGo.has(label)) {
    await new Promise<void>((resolve) => held.set(label, resolve));
  }
  if (kind === 'freeze' && attempt === 1) freeze();
  write({ f: 'end', at: now(), ...about });
  tellParent({ kind: 'end', label, attempt, at: now() });
}

/**
 * Stops this process here and now, never in the middle of a transaction, and goes on in the same
 * turn of the event loop once somebody continues it. The signal may take a moment to arrive.
 */
function freeze(): void {
  let last = now();
  process.kill(process.pid, 'SIGSTOP');
  for (;;) {
    const next = now();
    if (next - last > lease * 500) return;
    last = next;
  }
}

function obey(command: Command): void {
  if (command.kind === 'freeze') return freeze();
  for (const label of command.labels) {
    mayGo.add(label);
    held.get(label)?.();
  }
}

function hear(event: TransitionEvent): void {
  if (event.kind === 'lease-lost' || event.kind === 'released') {
    tellParent({ kind: event.kind, label: labels.get(event.id) ?? event.id });
  } else if (event.kind === 'taken-over') {
    tellParent({ kind: event.kind, messages: event.messages });
  }
}

dieWithParent();
process.on('message', (command) => obey(command as Command));
// A listener for messages would keep a process alive that has nothing left to do.
process.channel?.unref();
process.on('SIGTERM', () => tellParent({ kind: 'asked-to-stop' }));
subscribe(transitionChannel, (event) => hear(event as TransitionEvent));
bus.consume(
  workAsked,
  { name: subscription, concurrency, retry: { attempts, backoff: fixed(5) } },
  ({ data }, context) => handle(data, context),
);
tellParent({ kind: 'opening' });
await bus.start();
tellParent({ kind: 'up' });
