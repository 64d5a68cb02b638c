/** How what came becomes an entry of a lane table, with what deaths say of it. */

import { pushHeld, type Arrival } from '../../transport/lane-table-lanes.ts';
import { suspect } from '../../transport/lane-table-settle.ts';
import { storyOf, type Step } from '../../transport/lane-table.ts';
import type { Outgoing } from '../../transport/transport.ts';
import type { Verdict } from './clerk.ts';
import { heardOf } from './heard.ts';
import type { Hold, Incoming, Source } from './hold.ts';
import { createSource, keep } from './source.ts';
import { copyNoteOf } from './wire-format.ts';

export interface Entering {
  readonly verdict: Verdict | null;
  readonly order: number;
}

/** Makes an entry of a message. What a death said about it is stored at once. */
export function enter(
  hold: Hold,
  { arrived, place }: Pick<Incoming, 'arrived' | 'place'>,
  entering: Entering,
): Source {
  const { context } = hold.member;
  const source = createSource(hold, { arrived, place, order: entering.order });
  const step = context.step();
  const isAccused = entering.verdict !== null && entering.verdict.suspicion !== 'none';
  const arrival = arrivalOf(source, { arrived, verdict: entering.verdict, step });
  const heldUntil = copyNoteOf(arrived)?.heldUntil ?? 0;
  source.entry = pushHeld(hold.table, arrival, heldUntil, step);
  if (isAccused && hold.partition !== null && !source.isDone) {
    void keep(source, source.entry).catch(() => undefined);
  }
  return source;
}

interface Past {
  readonly arrived: Incoming['arrived'];
  readonly verdict: Verdict | null;
  readonly step: Step;
}

export function arrivalOf(source: Source, { arrived, verdict, step }: Past): Arrival {
  const { hold, message, tag, order, acceptedAt } = source;
  const copy = copyNoteOf(arrived);
  const key = source.isKeyed ? message.key : null;
  const arrival = {
    message,
    key,
    tag,
    order,
    acceptedAt,
    needs: copy === null || copy.version === 0 ? needsOf(hold, message) : copy.needs,
    readyAt: Math.max(arrived.dueAt, 0),
    attempt: copy?.attempt ?? 1,
    story: copy?.story ?? null,
  };
  if (verdict === null) return arrival;
  source.heard = heardOf(source.heard, verdict.heard);
  // What stood behind the head of its lane ran only if the acks of all before it were lost.
  const isHead = key === null || (hold.table.byKey.get(key)?.size ?? 0) === 0;
  if (verdict.suspicion !== 'none' && isHead) suspect(arrival, verdict.suspicion, step);
  else if (verdict.suspicion !== 'none') storyOf(arrival).wasBehind = true;
  return arrival;
}

const nothing: readonly string[] = [];

/** What a message waits for here. */
export function needsOf({ member }: Hold, { facts }: Outgoing): readonly string[] {
  return member.registered.spec.waits ? facts : nothing;
}

export function nextOrder(hold: Hold): number {
  const partition = hold.partition;
  if (partition === null) return hold.member.context.nextNumber();
  partition.nextOrder += 1;
  return partition.nextOrder;
}
