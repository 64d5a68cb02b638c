/**
 * What must hold for each message in the history of a campaign, one pure function per rule. Each
 * answers sentences about what is wrong, with the least of the history that shows it.
 */
import {
  type CampaignRecord,
  deliveryOf,
  type FactTimes,
  followedTopic,
  followUpOf,
  lossOf,
  type Run,
  type Sent,
} from './campaign-record.ts';
import { endOfHold, movedWhenLost, partingBetween } from './partings.ts';

/** The clock of delays counts whole milliseconds, and rounds down. */
const roundingUs = 2_000;

/** What was accepted is done in every subscription of its topic. */
export function lost(record: CampaignRecord): string[] {
  return undone(record).map(
    ({ message, name, runs }) =>
      `${message.label} was accepted and never done in ${name}: ${tell(runs)}`,
  );
}

/** A message whose facts are all confirmed does not wait any longer. */
export function stuck(record: CampaignRecord): string[] {
  const waiting = undone(record).filter(({ message: { waits, asks } }) => {
    const needed = asks === null ? waits : [...waits, asks];
    const isOpen = (fact: string): boolean =>
      (record.facts.get(fact)?.confirmedAt ?? null) !== null;
    return needed.length > 0 && needed.every(isOpen);
  });
  return waiting.map(
    ({ message, name, runs }) =>
      `${message.label} has its facts and waits in ${name}: ${tell(runs)}`,
  );
}

/** A refused publish was certainly not stored, and nothing runs that nobody published. */
export function unexpected({ sent, runs }: CampaignRecord): string[] {
  return [...runs.values()].flatMap((delivery) => {
    const { label, subscription } = delivery[0]!;
    const message = sent.get(label);
    if (message === undefined) return [`${label} ran in ${subscription}, published by nobody`];
    if (message.outcome !== 'refused') return [];
    return [
      `${label} was refused with ${message.code} and ran in ${subscription}: ${tell(delivery)}`,
    ];
  });
}

/** Nothing runs before its delay is over, its facts are opened, or its back-off has passed. */
export function early(
  record: CampaignRecord,
  { backoffMs, isFenced }: { readonly backoffMs: number; readonly isFenced: boolean },
): string[] {
  const { subscriptions, sent, facts } = record;
  const waits = new Set(subscriptions.filter((one) => one.waits).map(({ name }) => name));
  return [...record.runs.values()].flatMap((delivery) => {
    const message = sent.get(delivery[0]!.label);
    if (message === undefined) return [];
    const opened = waits.has(delivery[0]!.subscription)
      ? openedAt(message.waits, facts)
      : Number.NEGATIVE_INFINITY;
    const due = message.invokedAt + message.delayMs * 1_000 - roundingUs;
    const asked = message.asks === null ? [] : [message.asks];
    return delivery.flatMap((run, index) => {
      const before = delivery[index - 1];
      const isCounted =
        isRetried(record, before) &&
        partingBetween(record, { run: before!, again: run, isFenced }) === undefined;
      const rested = isCounted ? before!.endedAt! + backoffMs * 1_000 : 0;
      const about = `${run.label} in ${run.subscription}: ${tell(delivery)}`;
      if (run.startedAt < due) return [`started before its delay was over, ${about}`];
      if (run.startedAt < opened) return [`started before its facts were opened, ${about}`];
      if (run.startedAt < rested - roundingUs) return [`started within its back-off, ${about}`];
      if (run.outcome === 'end' && run.startedAt < openedAt(asked, facts)) {
        return [`was not parked by its handler, ${about}`];
      }
      return [];
    });
  });
}

/** Whether the failure counted: its process lived, and still had the message. */
function isRetried({ kills, losses }: CampaignRecord, run: Run | undefined): boolean {
  if (run?.outcome !== 'fail' || kills.has(run.process)) return false;
  return !losses.has(lossOf(run.process, run.subscription, run.id));
}

/**
 * One publish makes one message, whatever happens to the processes. What a handler publishes may,
 * where that and the ack are two steps, be stored by every run that came to its end.
 */
export function doubled(
  { runs, sent }: CampaignRecord,
  { isAtomic, by }: { readonly isAtomic: boolean; readonly by: string },
): string[] {
  return [...runs.values()].flatMap((delivery) => {
    const ids = new Set(delivery.map(({ id }) => id));
    const { label, subscription } = delivery[0]!;
    const isStaged = !isAtomic && sent.get(label)?.topic === followedTopic;
    const parents = isStaged ? (runs.get(deliveryOf(by, label.slice(0, -1))) ?? []) : [];
    const most = Math.max(1, parents.filter(({ outcome }) => outcome === 'end').length);
    return ids.size <= most ? [] : [`${label} is ${ids.size} messages in ${subscription}`];
  });
}

/** What a handler publishes is stored with its ack: an attempt that failed publishes nothing. */
export function staged(
  { sent, runs }: CampaignRecord,
  { by, into }: { readonly by: string; readonly into: string },
): string[] {
  return [...sent.values()].flatMap(({ label, followed }) => {
    const [follower] = runs.get(deliveryOf(into, followUpOf(label))) ?? [];
    if (!followed || follower === undefined) return [];
    const parents = runs.get(deliveryOf(by, label)) ?? [];
    const byWhom = parents.filter(({ attempt }) => attempt === follower.stagedBy);
    if (byWhom.some(({ outcome }) => outcome === 'end')) return [];
    return [`${follower.label} was published by attempt ${follower.stagedBy}: ${tell(parents)}`];
  });
}

/**
 * Every start has an attempt of its own. The exceptions: a message that parked, one whose process
 * was cut off and lives, and one whose predecessor was not yet settled when their process was
 * killed or lost both; only the first of a lane is known to have been started.
 */
export function repeatedAttempts(
  record: CampaignRecord,
  { isAtomic, isFenced }: { readonly isAtomic: boolean; readonly isFenced: boolean },
): string[] {
  const rerun = rerunAfterLoss(record);
  return [...record.runs.values()].flatMap((delivery) =>
    delivery.flatMap((run, index) => {
      const same = delivery
        .slice(0, index)
        .filter(({ id }) => id === run.id)
        .find(({ attempt, outcome }) => attempt === run.attempt && outcome !== 'wait');
      if (same === undefined) return [];
      if (partingBetween(record, { run: same, again: run, isFenced }) !== undefined) return [];
      const before = delivery.slice(0, index);
      if (!isAtomic && isCutShort(record, { before, same, run })) return [];
      if (!isAtomic && same.outcome !== 'open' && movedWhenLost(record, run)) return [];
      if (record.losses.has(lossOf(run.process, run.subscription, run.id))) return [];
      const key = record.sent.get(run.label)?.key ?? null;
      if (key !== null && rerun.has(`${same.process} ${run.subscription} ${key}`)) return [];
      if (!isAtomic && ranBehindUnsettled(record, { same, run })) return [];
      const what = `${run.label} started twice with attempt ${run.attempt} in ${run.subscription}`;
      return [`${what}: ${tell(delivery)}`];
    }),
  );
}

/**
 * Where an ack is not one step with the rest: the handler had come to its end when its process was
 * lost, which is no crash of the message; or both a copy and what it was made from came again.
 */
function isCutShort(
  record: CampaignRecord,
  { before, same, run }: { readonly before: readonly Run[]; readonly same: Run; readonly run: Run },
): boolean {
  const isLost = (one: Run): boolean =>
    endOfHold(record, { run: one, again: run, isFenced: false }) !== undefined;
  if (same.outcome !== 'open' && isLost(same)) return true;
  return before.some((one) => one.outcome !== 'end' && one !== same && isLost(one));
}

/**
 * `process subscription key` of what ran with another attempt elsewhere, as its process was killed
 * or lost it. One that stood still may have started it only after others had done it.
 */
function rerunAfterLoss({ runs, sent, kills, losses }: CampaignRecord): Set<string> {
  const found = new Set<string>();
  for (const delivery of runs.values()) {
    for (const [index, run] of delivery.entries()) {
      const isLost = losses.has(lossOf(run.process, run.subscription, run.id));
      const isKilled = kills.has(run.process) && delivery[index + 1]?.process !== run.process;
      const others = isLost ? delivery : isKilled ? delivery.slice(index + 1) : [];
      if (!others.some(({ attempt }) => attempt !== run.attempt)) continue;
      found.add(`${run.process} ${run.subscription} ${sent.get(run.label)?.key}`);
    }
  }
  return found;
}

/**
 * Where a server may forget an ack that it was told: one before it in its lane, done by the process
 * that was killed, ran again as well. Who stood behind that is not known to have been started.
 */
function ranBehindUnsettled(
  { runs, sent, kills }: CampaignRecord,
  { same, run }: { readonly same: Run; readonly run: Run },
): boolean {
  const key = sent.get(run.label)?.key ?? null;
  if (key === null || !kills.has(same.process)) return false;
  return [...runs.values()].some((delivery) => {
    const [{ label, subscription }] = delivery as readonly [Run];
    if (subscription !== run.subscription || label === run.label) return false;
    if (sent.get(label)?.key !== key) return false;
    return delivery.some(
      (one, index) =>
        one.process === same.process &&
        one.outcome === 'end' &&
        one.endedAt! <= same.startedAt &&
        delivery.slice(index + 1).some(({ startedAt }) => startedAt <= run.startedAt),
    );
  });
}

function undone({
  subscriptions,
  sent,
  runs,
}: CampaignRecord): { message: Sent; name: string; runs: readonly Run[] }[] {
  return [...sent.values()].flatMap((message) => {
    if (message.outcome !== 'accepted') return [];
    return subscriptions.flatMap(({ name, topic }) => {
      const delivery = runs.get(deliveryOf(name, message.label)) ?? [];
      if (topic !== message.topic || delivery.some(({ outcome }) => outcome === 'end')) return [];
      return [{ message, name, runs: delivery }];
    });
  });
}

function openedAt(needed: readonly string[], facts: ReadonlyMap<string, FactTimes>): number {
  const times = needed.map((fact) => facts.get(fact)?.invokedAt ?? Number.POSITIVE_INFINITY);
  return Math.max(Number.NEGATIVE_INFINITY, ...times);
}

/** The least history of a delivery: attempt, process, outcome, and when, in microseconds. */
export function tell(runs: readonly Run[]): string {
  if (runs.length === 0) return 'it never started';
  return runs
    .map(({ attempt, process, outcome, startedAt, endedAt }) => {
      const end = endedAt === null ? 'open' : `${outcome} at ${endedAt}`;
      return `attempt ${attempt} in ${process} from ${startedAt}, ${end}`;
    })
    .join('; ');
}
