/** What is done at the limit of what an owner holds back: see `overflow.ts`. */

import type { Hold, Incoming, Partition } from './hold.ts';
import { takeIn, verdictsOn } from './intake.ts';
import { goesAway, isFull, sendAway } from './overflow.ts';

/** Takes in what is new in the main queue, or lets it stand in its window. */
export function takeNew(hold: Hold, incoming: Incoming): void {
  const partition = hold.partition!;
  if (partition.gate.length === 0 && !isFull(hold)) {
    takeIn(hold, incoming);
    return;
  }
  partition.gate.push(incoming);
  if (partition.gate.length === 1) tell(hold, partition);
}

/** A partition that fills again and again says so once in a while. */
const pauseMs = 60_000;
const toldAts = new WeakMap<Partition, number>();

function tell({ member }: Hold, partition: Partition): void {
  const { context, registered } = member;
  const now = context.host.clock.monotonic();
  if (now - (toldAts.get(partition) ?? Number.NEGATIVE_INFINITY) < pauseMs) return;
  toldAts.set(partition, now);
  const message =
    `partition ${partition.index} of "${registered.name}" holds ${partition.side.unacked} ` +
    'messages that wait, are retried, delayed or blocked: it takes in nothing new until some of ' +
    'them go on';
  context.host.notify({ kind: 'engine-trouble', code: 'QUEUE_FULL', message });
}

/** Goes on with what stands in the window, where there is room again. */
export function openGate(hold: Hold): void {
  const { partition } = hold;
  if (partition?.state !== 'owned' || partition.gate.length === 0 || isFull(hold)) return;
  for (const incoming of partition.gate.splice(0)) takeIn(hold, incoming);
}

/**
 * While a partition is being taken over: whether a message goes away, so that the token behind it
 * can be read.
 */
export function relieve(hold: Hold, incoming: Incoming): boolean {
  if (!goesAway(hold, incoming, null)) return false;
  void askAndSendAway(hold, incoming).catch((error: unknown) => {
    if (hold.isOpen && hold.member.context.isOpen()) hold.member.context.broken(String(error));
  });
  return true;
}

async function askAndSendAway(hold: Hold, incoming: Incoming): Promise<void> {
  const partition = hold.partition!;
  partition.leaving += 1;
  const verdicts = await verdictsOn(hold, [incoming]);
  partition.leaving -= 1;
  if (!hold.isOpen) return;
  if (goesAway(hold, incoming, verdicts.get(incoming) ?? null)) await sendAway(hold, incoming);
  else if (partition.state === 'reading') partition.backlog.push(incoming);
  else takeIn(hold, incoming);
}
