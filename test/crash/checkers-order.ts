/**
 * What must hold between the messages of one key: they run one after the other, in the order they
 * were accepted. Pure, as in `checkers.ts`.
 *
 * The order of acceptance is the publisher's own for the messages of one publisher, the time alone
 * for two (an answer before the other's call), and for what handlers published the order in which
 * those handlers ran. Delayed messages join their key when they are due and have no place of their
 * own in it.
 */
import {
  type CampaignRecord,
  deliveryOf,
  followedTopic,
  lossOf,
  type Run,
  type Sent,
} from './campaign-record.ts';
import { tell } from './checkers.ts';
import { partingsOf } from './partings.ts';

/** None starts before the one before it has been finished once. */
export function outOfOrder(record: CampaignRecord, stagingSubscription: string): string[] {
  return orderedLanes(record).flatMap(({ subscription, topic, messages }) => {
    const times = timesOf(record, subscription);
    const placed = messages.filter(({ message }) => message.delayMs === 0);
    if (topic === followedTopic) {
      const staging = timesOf(record, stagingSubscription);
      const startOf = (label: string): number => staging(label.slice(0, -1)).start;
      const byStart = placed.toSorted(
        (a, b) => startOf(a.message.label) - startOf(b.message.label),
      );
      return neighbours(byStart, times);
    }
    const publishers = groupBy(placed, ({ message }) => message.publisher);
    const own = [...publishers.values()].flatMap((theirs) => neighbours(theirs, times));
    return [...own, ...acrossPublishers(placed, times)];
  });
}

/**
 * No two handlers run at once for one key, unless a process was told that its lease is lost, or
 * could not hear of it: it was cut off, or it stood still for so long and was killed then.
 */
export function overlapping(
  record: CampaignRecord,
  { leaseMs, isFenced }: { readonly leaseMs: number; readonly isFenced: boolean },
): string[] {
  const { kills, losses } = record;
  const isOut = (run: Run): boolean => {
    if (losses.has(lossOf(run.process, run.subscription, run.id))) return true;
    const partings = partingsOf(record, run.process, isFenced);
    if (partings.some(({ from, to }) => run.startedAt <= to && from <= endOf(run))) return true;
    return kills.has(run.process) && endOf(run) - run.startedAt > (leaseMs * 1_000) / 2;
  };
  const endOf = (run: Run): number => {
    if (run.endedAt !== null) return run.endedAt;
    const killedAt = kills.get(run.process) ?? Number.POSITIVE_INFINITY;
    return Math.max(run.startedAt, killedAt);
  };
  return orderedLanes(record).flatMap(({ subscription, messages }) => {
    const runs = messages
      .flatMap((one) => one.runs)
      .filter((run) => !isOut(run))
      .toSorted((a, b) => a.startedAt - b.startedAt);
    let last: Run | undefined;
    return runs.flatMap((run) => {
      const before = last;
      if (before === undefined || endOf(run) > endOf(before)) last = run;
      if (before === undefined || run.startedAt >= endOf(before)) return [];
      const both = `${before.label} (${tell([before])}) and ${run.label} (${tell([run])})`;
      return [`ran at once in ${subscription}: ${both}`];
    });
  });
}

function groupBy<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string | null,
): Map<string | null, Item[]> {
  const groups = new Map<string | null, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

interface Placed {
  readonly message: Sent;
  readonly runs: readonly Run[];
}

interface Lane {
  readonly subscription: string;
  readonly topic: string;
  readonly messages: readonly Placed[];
}

/** What is certainly stored, by subscription and key, in the order of the calls. */
function orderedLanes({ subscriptions, sent, runs }: CampaignRecord): Lane[] {
  return subscriptions.flatMap(({ name, topic, isOrdered }) => {
    if (!isOrdered) return [];
    const placed = [...sent.values()].flatMap((message) => {
      if (message.topic !== topic || message.key === null) return [];
      const delivery = runs.get(deliveryOf(name, message.label)) ?? [];
      const isStored = message.outcome === 'accepted' || delivery.length > 0;
      return isStored ? [{ message, runs: delivery }] : [];
    });
    const lanes = groupBy(placed, ({ message }) => message.key);
    return [...lanes.values()].map((messages) => ({ subscription: name, topic, messages }));
  });
}

/** The first start and the first end of a message; a message without one has it never. */
type Times = (label: string) => { readonly start: number; readonly end: number; told(): string };

function timesOf({ runs, sent }: CampaignRecord, subscription: string): Times {
  return (label) => {
    const delivery = runs.get(deliveryOf(subscription, label)) ?? [];
    const ends = delivery.flatMap((run) => (run.outcome === 'end' ? [run.endedAt!] : []));
    return {
      start: delivery[0]?.startedAt ?? Number.POSITIVE_INFINITY,
      end: Math.min(Number.POSITIVE_INFINITY, ...ends),
      told: () => `${label}, ${sent.get(label)?.outcome}, in ${subscription} (${tell(delivery)})`,
    };
  };
}

function neighbours(messages: readonly Placed[], times: Times): string[] {
  return messages.slice(1).flatMap(({ message }, index) => {
    return overtaken(times(messages[index]!.message.label), times(message.label));
  });
}

/** No message starts before all that were accepted before its call are done. */
function acrossPublishers(messages: readonly Placed[], times: Times): string[] {
  const answered = messages
    .flatMap(({ message }) => (message.answeredAt === null ? [] : [message]))
    .filter(({ outcome }) => outcome === 'accepted')
    .toSorted((a, b) => a.answeredAt! - b.answeredAt!);
  let next = 0;
  let last: ReturnType<Times> | undefined;
  return messages.flatMap(({ message }) => {
    for (; next < answered.length; next++) {
      if (answered[next]!.answeredAt! >= message.invokedAt) break;
      const candidate = times(answered[next]!.label);
      if (last === undefined || candidate.end > last.end) last = candidate;
    }
    return last === undefined ? [] : overtaken(last, times(message.label));
  });
}

function overtaken(earlier: ReturnType<Times>, later: ReturnType<Times>): string[] {
  if (later.start >= earlier.end) return [];
  return [`${later.told()} started before ${earlier.told()} was done`];
}
