/**
 * Messages that came before any subscription are handed to the first one that wants them, in the
 * order of their acceptance over all its topics, step by step. Until that is done, new messages of
 * these topics queue up behind them, so each key keeps its order; other subscriptions get theirs
 * directly.
 */

import { type Step, stepRows } from './chores.ts';
import { type Ledger, reloadTopology } from './ledger.ts';
import { parseFacts } from './need-text.ts';
import { nobody, place } from './place.ts';
import { schedule } from './publish.ts';
import type { Session } from './session.ts';
import type { Subscription, Topic } from './topology.ts';

export const adoptStep: Step = (session: Session, _chore, after) => {
  const { ledger, registry, events } = session;
  const kept = ledger.shelves.kept.all(after, stepRows);
  const counts = new Map<Subscription, number>();
  for (const row of kept) {
    const topic = ledger.topology.topicByNumber.get(row[1]);
    if (topic === undefined || topic.adopting.length === 0) continue;
    for (const subscription of topic.adopting) {
      adopt(ledger, { row, topic, subscription });
      counts.set(subscription, (counts.get(subscription) ?? 0) + 1);
    }
    ledger.shelves.removeKept.run(row[0]);
  }
  for (const [{ name: subscription }, messages] of counts) {
    events.push({ kind: 'adopted', subscription, messages });
  }
  if (kept.length === stepRows) return kept[kept.length - 1]![0];
  registry.adopted.run();
  reloadTopology(ledger);
  return null;
};

type Row = NonNullable<ReturnType<Ledger['shelves']['kept']['get']>>;

function adopt(
  ledger: Ledger,
  adopting: { readonly row: Row; readonly topic: Topic; readonly subscription: Subscription },
): void {
  const { row, topic, subscription } = adopting;
  const [, , dueAt, acceptedAt, id, headers, factsText, key, body] = row;
  const facts = parseFacts(factsText);
  const parcel = { id, topic, body, headers, key, facts, acceptedAt };
  if (dueAt > ledger.now) schedule(ledger, subscription, { parcel, dueAt });
  else place(ledger, subscription, parcel, nobody);
}
