/** `bus.lock`: one holder at a time over all processes of an engine. */

import type { Clock } from '../clock.ts';
import { MaloteError } from '../errors.ts';
import { checkNames, checkSignal } from '../message/checks.ts';
import { type Duration, toMs } from '../message/duration.ts';
import { checkKey } from '../message/names.ts';
import type { Coordination, Hold } from '../transport/coordination.ts';
import { keepHold } from './keep-hold.ts';
import type { HeldLock, LockEvent, LockOptions } from './lock.ts';

export interface LocksOptions {
  readonly clock: Clock;
  open(): Promise<Coordination>;
  emit(event: LockEvent): void;
}

export interface Locks {
  lock(name: string, options?: LockOptions): Promise<HeldLock>;
  /** Tells holders; what they hold is given back with the connection. */
  stop(error: MaloteError): void;
}

/** The only place where a default is written. */
export const lockDefaults: Readonly<Record<'ttl' | 'wait', Duration>> = { ttl: '30s', wait: '10s' };
export const leastLeaseMs = 100;

const space = 'lock';

export function createLocks({ clock, open, emit }: LocksOptions): Locks {
  const held = new Set<{ lose(error: MaloteError): void }>();
  let ended: MaloteError | null = null;

  async function lock(name: string, options: LockOptions = {}): Promise<HeldLock> {
    const { leaseMs, waitMs, signal } = resolveLock(name, options);
    const coordination = await open();
    try {
      const slot = { space, key: name };
      const acquired = await coordination.acquire({ slot, leaseMs, waitMs, signal });
      if (acquired.kind !== 'held') throw timedOut(name, waitMs);
      // It came with the stop, and goes back with the connection.
      if (ended !== null) throw ended;
      return hold(name, acquired.hold, { coordination, leaseMs });
    } catch (error) {
      if (signal?.aborted !== true || error !== signal.reason) throw error;
      throw waitAborted(`lock "${name}"`, signal);
    }
  }

  function hold(
    name: string,
    taken: Hold,
    { coordination, leaseMs }: { readonly coordination: Coordination; readonly leaseMs: number },
  ): HeldLock {
    const { token } = taken;
    const controller = new AbortController();
    let releasing: Promise<boolean> | null = null;
    const holder = {
      lose(error: MaloteError): void {
        held.delete(holder);
        keeper.stop();
        controller.abort(error);
      },
    };
    const keeper = keepHold(taken, {
      coordination,
      clock,
      leaseMs,
      lost() {
        emit({ kind: 'lock-lost', lock: name, token });
        holder.lose(lockLost(name));
      },
    });
    const giveBack = async (): Promise<boolean> => {
      if (controller.signal.aborted) return false;
      held.delete(holder);
      keeper.stop();
      const wasHeld = await coordination.release(taken);
      emit({ kind: wasHeld ? 'lock-released' : 'lock-lost', lock: name, token });
      return wasHeld;
    };
    const release = async (): Promise<boolean> => {
      releasing ??= giveBack();
      try {
        return await releasing;
      } catch (error) {
        // An engine that did not answer may be asked again; nothing extends the lock any more.
        releasing = null;
        throw error;
      }
    };
    held.add(holder);
    emit({ kind: 'lock-taken', lock: name, token });
    return {
      name,
      token,
      signal: controller.signal,
      release,
      async [Symbol.asyncDispose]() {
        await release();
      },
    };
  }

  return {
    lock,
    stop(error) {
      ended ??= error;
      for (const holder of held) holder.lose(error);
    },
  };
}

export function waitAborted(where: string, { reason }: AbortSignal): MaloteError {
  const sentence = `${where}: the signal was aborted while waiting`;
  return new MaloteError('WAIT_ABORTED', sentence, { cause: reason });
}

interface LockSettings {
  readonly leaseMs: number;
  readonly waitMs: number;
  readonly signal: AbortSignal | null;
}

function resolveLock(name: string, options: LockOptions): LockSettings {
  const where = `lock "${checkKey(name, 'lock name')}"`;
  checkNames(where, options, ['ttl', 'wait', 'signal']);
  const { ttl = lockDefaults.ttl, wait = lockDefaults.wait, signal } = options;
  return {
    leaseMs: toMs(ttl, `${where}: ttl`, leastLeaseMs),
    waitMs: toMs(wait, `${where}: wait`),
    signal: checkSignal(`${where}: signal`, signal),
  };
}

function timedOut(name: string, waitMs: number): MaloteError {
  return new MaloteError(
    'LOCK_TIMEOUT',
    `lock "${name}" was held by another for ${waitMs} ms; try again later, or pass a longer wait`,
  );
}

function lockLost(name: string): MaloteError {
  return new MaloteError(
    'LOCK_LOST',
    `lock "${name}" was lost: this process did not extend it in time, another may hold it`,
  );
}
