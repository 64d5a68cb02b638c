/**
 * Messages that came before any subscription are handed to the first one that wants them, in their
 * order, step by step. Until that is done, new messages of the topic queue up behind them, so each
 * key keeps its order; other subscriptions of the topic get theirs directly.
 */

import { type Step, stepRows } from './chores.ts';
import { type Ledger, reloadTopology } from './ledger.ts';
import { nobody, parseFacts, place } from './place.ts';
import { schedule } from './publish.ts';
import type { Session } from './session.ts';
import type { Subscription, Topic } from './topology.ts';

export const adoptStep: Step = (session: Session, { name }) => {
  const { ledger, registry, events } = session;
  const topic = ledger.topology.topics.get(name);
  if (topic === undefined || topic.adopting.length === 0) return null;
  const kept = ledger.shelves.kept.all(topic.number, stepRows);
  for (const row of kept) {
    for (const subscription of topic.adopting) adopt(ledger, { row, topic, subscription });
    ledger.shelves.removeKept.run(row[0]);
  }
  if (kept.length > 0) {
    for (const { name: subscription } of topic.adopting) {
      events.push({ kind: 'adopted', subscription, messages: kept.length });
    }
  }
  if (kept.length === stepRows) return 0;
  registry.adopted.run(topic.number);
  reloadTopology(ledger);
  return null;
};

type Row = NonNullable<ReturnType<Ledger['shelves']['kept']['get']>>;

function adopt(
  ledger: Ledger,
  {
    row,
    topic,
    subscription,
  }: { readonly row: Row; readonly topic: Topic; readonly subscription: Subscription },
): void {
  const [, dueAt, acceptedAt, id, headers, factsText, key, body] = row;
  const facts = parseFacts(factsText);
  const parcel = { id, topic, body, headers, key, facts, acceptedAt };
  if (dueAt > ledger.now) schedule(ledger, subscription, { parcel, dueAt });
  else place(ledger, subscription, parcel, nobody);
}
