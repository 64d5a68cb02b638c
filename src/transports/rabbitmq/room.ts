/**
 * Whether a side queue has room for what has an order and comes from elsewhere: dead letters that
 * are sent back. Its owner cannot send that away again, and must be able to hold all of it.
 */

import { sleep, systemClock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import type { Looker } from './dead-look.ts';
import type { Registered } from './registry.ts';
import { withChannel } from './topology.ts';

const pauseMs = 100;

/** What one session holds, as it tells those who ask. */
export interface Held {
  readonly subscription: string;
  readonly scheduled: number;
  readonly ready: number;
  readonly leased: number;
  readonly retrying: number;
  readonly waiting: number;
  readonly done: number;
  readonly blockedKeys: readonly string[];
  readonly process: string;
  readonly isConsuming: boolean;
  /** The partitions it has, and the epochs in which it took them. */
  readonly owned: readonly (readonly [index: number, epoch: number])[];
  /** What is unacknowledged of each side queue. */
  readonly sides: Readonly<Record<string, number>>;
}

export interface Redriver extends Looker {
  /** What all owners hold. */
  held(): Promise<readonly Held[]>;
}

/**
 * Waits for as long as a publish may take until each queue has room for so many more.
 * @throws MaloteError `QUEUE_FULL`
 */
export async function roomFor(
  looker: Redriver,
  { name }: Registered,
  added: ReadonlyMap<string, number>,
): Promise<void> {
  const { held: most } = looker.settings.limits;
  const until = systemClock.monotonic() + looker.host.leaseMs;
  for (;;) {
    const full = await firstFull(looker, added);
    if (full === null) return;
    if (systemClock.monotonic() > until) {
      throw new MaloteError(
        'QUEUE_FULL',
        `"${full}" may hold ${most} messages back, and has no room for ${added.get(full)} dead ` +
          `letters more; what was sent back before stays so: let the consumers of "${name}" ` +
          'handle some, and send back the rest',
      );
    }
    await sleep(pauseMs);
  }
}

async function firstFull(
  { wire, held, settings }: Redriver,
  added: ReadonlyMap<string, number>,
): Promise<string | null> {
  const all = await held();
  return await withChannel(wire.model, async (channel) => {
    for (const [queue, count] of added) {
      const { messageCount } = await channel.checkQueue(queue);
      const before = all.reduce((sum, { sides }) => sum + (sides[queue] ?? 0), messageCount);
      if (before + count > settings.limits.held) return queue;
    }
    return null;
  });
}
