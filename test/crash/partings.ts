/**
 * When others may have got what a living process held: its connection was lost, or it stood still.
 * An engine that fences tells a process that stood still what it has lost; from another one it may
 * hear nothing. Pure, as in `checkers.ts`.
 */
import type { CampaignRecord, Run, Span } from './campaign-record.ts';

/** How long a process may take to hear of a loss on a crowded machine, in microseconds. */
const hearingUs = 300_000;
/** The same for one that stood still: it has to notice first that its connection is gone. */
const wakingUs = 1_500_000;

export function partingsOf(
  { breaks, pauses }: CampaignRecord,
  process: string,
  isFenced: boolean,
): Span[] {
  const cuts = breaks
    .filter((one) => one.process === null || one.process === process)
    .map(({ at, until }) => ({ from: at, to: until + hearingUs }));
  const stills = isFenced ? [] : (pauses.get(process) ?? []);
  return [...cuts, ...stills.map(({ from, to }) => ({ from, to: to + wakingUs }))];
}

/**
 * What ended the hold of a process on a message: `worker-1.3`, killed, or `worker-1.3 at 1234`. One
 * that a crowded machine kept from renewing its lease may be killed before it hears of the loss.
 */
export function endOfHold(
  record: CampaignRecord,
  given: { readonly run: Run; readonly again: Run; readonly isFenced: boolean },
): string | undefined {
  const { run, again } = given;
  const killedAt = record.kills.get(run.process);
  if (killedAt !== undefined && killedAt - hearingUs <= again.startedAt) return run.process;
  const parting = partingBetween(record, given);
  return parting === undefined ? undefined : `${run.process} at ${parting.from}`;
}

/** The parting that explains that `again` started although `run` had, if there is one. */
export function partingBetween(
  record: CampaignRecord,
  { run, again, isFenced }: { readonly run: Run; readonly again: Run; readonly isFenced: boolean },
): Span | undefined {
  return partingsOf(record, run.process, isFenced).find(
    ({ from, to }) => run.startedAt <= to && from <= again.startedAt,
  );
}

/** How long a second copy may wait behind others, on a crowded machine. */
const movingUs = 20_000_000;

/**
 * Where a state is a copy: a message that has no order, or was delayed, is moved by processes that
 * never run it, and one of them may have been lost between storing it there and removing it here.
 */
export function movedWhenLost(
  { subscriptions, sent, kills, breaks }: CampaignRecord,
  { subscription, label, startedAt, process }: Run,
): string | undefined {
  const { isOrdered } = subscriptions.find(({ name }) => name === subscription)!;
  if (isOrdered && (sent.get(label)?.delayMs ?? 0) === 0) return undefined;
  const ends = [
    ...[...kills].map(([killed, at]) => ({ process: killed, at })),
    ...breaks.map((one) => ({ process: one.process ?? process, at: one.at })),
  ];
  const last = ends.findLast(({ at }) => at <= startedAt && startedAt - at <= movingUs);
  return last === undefined ? undefined : `${last.process} at ${last.at}`;
}
