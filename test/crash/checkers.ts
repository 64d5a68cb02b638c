/**
 * What must hold for each message in the history of a campaign, one pure function per rule. Each
 * answers sentences about what is wrong, with the least of the history that shows it.
 */
import {
  type CampaignRecord,
  deliveryOf,
  type FactTimes,
  followUpOf,
  lossOf,
  type Run,
  type Sent,
} from './campaign-record.ts';

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
export function early(record: CampaignRecord, backoffMs: number): string[] {
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
      const rested = isRetried(record, before) ? before!.endedAt! + backoffMs * 1_000 : 0;
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

/** One publish makes one message, whatever happens to the processes. */
export function doubled({ runs }: CampaignRecord): string[] {
  return [...runs.values()].flatMap((delivery) => {
    const ids = new Set(delivery.map(({ id }) => id));
    const { label, subscription } = delivery[0]!;
    return ids.size === 1 ? [] : [`${label} is ${ids.size} messages in ${subscription}`];
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
 * Every start has an attempt of its own. The exceptions: a message that parked, and one whose
 * predecessor was not yet settled when their process was killed or lost both; only the first of a
 * lane is known to have been started.
 */
export function repeatedAttempts(record: CampaignRecord): string[] {
  const rerun = rerunAfterLoss(record);
  return [...record.runs.values()].flatMap((delivery) =>
    delivery.flatMap((run, index) => {
      const same = delivery
        .slice(0, index)
        .find(({ attempt, outcome }) => attempt === run.attempt && outcome !== 'wait');
      if (same === undefined) return [];
      if (record.losses.has(lossOf(run.process, run.subscription, run.id))) return [];
      const key = record.sent.get(run.label)?.key ?? null;
      if (key !== null && rerun.has(`${same.process} ${run.subscription} ${key}`)) return [];
      const what = `${run.label} started twice with attempt ${run.attempt} in ${run.subscription}`;
      return [`${what}: ${tell(delivery)}`];
    }),
  );
}

/** `process subscription key` of what was run again after its process was killed or lost it. */
function rerunAfterLoss({ runs, sent, kills, losses }: CampaignRecord): Set<string> {
  const found = new Set<string>();
  for (const delivery of runs.values()) {
    for (const [index, run] of delivery.entries()) {
      const again = delivery[index + 1];
      if (again === undefined || again.attempt === run.attempt) continue;
      const isLost = losses.has(lossOf(run.process, run.subscription, run.id));
      const isKilled = kills.has(run.process) && again.process !== run.process;
      if (!isLost && !isKilled) continue;
      found.add(`${run.process} ${run.subscription} ${sent.get(run.label)?.key}`);
    }
  }
  return found;
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
