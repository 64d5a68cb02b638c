/**
 * What is begun before the server has confirmed that it is at work: a message that nobody has
 * tried, and that is the only one of its process. The list that names it leaves at the end of the
 * very turn of the loop, and is not needed where the message is done by then.
 *
 *     alone       deliver ─▶ its handler is called ─▶ it waits for something ─▶ list
 *     any other   list ─▶ confirmed ─▶ deliver
 *
 * A process that dies within that turn is taken for one that had not begun, so the message may be
 * begun once more than it has attempts: once, as it was delivered before from then on. Nobody else
 * is taken for it, as nobody else was at work.
 */

import type { Holder } from '../../transport/lane-table.ts';
import type { Handing } from './claim.ts';

/** Where a connection works. */
export interface Bench {
  /** Its process, which may have several. */
  readonly process: string;
  readonly holder: Holder;
  /** All that was done is with the server, and the list, which accuses nobody for good. */
  isAtRest(): boolean;
}

/** All that are in use here. */
export const benches: Set<Bench> = new Set();

export function isAlone({ process }: Bench, batches: readonly Handing[]): boolean {
  const [{ member, consumer, batch }] = batches as readonly [Handing];
  if (batches.length > 1 || batch.length > 1 || consumer.hasOneAttempt) return false;
  const source = member.sources.get(batch[0]!.tag);
  if (source === undefined || source.version > 0 || source.isCareful) return false;
  let held = 0;
  for (const bench of benches) {
    if (bench.process !== process) continue;
    held += bench.holder.held;
    if (held > 1 || !bench.isAtRest()) return false;
  }
  return true;
}
