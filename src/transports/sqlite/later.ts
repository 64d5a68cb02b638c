/**
 * Delayed messages: in a table of their own until they are due, then placed like messages that were
 * published at that moment. So any number of them costs the others nothing.
 */

import { stepRows } from './chores.ts';
import { tallyOf } from './ledger.ts';
import { parseFacts } from './need-text.ts';
import { nobody, place } from './place.ts';
import type { Session } from './session.ts';

export function promoteDue({ ledger }: Session): void {
  const { shelves, topology } = ledger;
  const due = shelves.due.all(ledger.now, stepRows);
  for (const row of due) {
    const [id, number, acceptedAt, topicNumber, messageId, headers, facts, key, body] = row;
    shelves.removeLater.run(id);
    const subscription = topology.byNumber.get(number);
    const topic = topology.topicByNumber.get(topicNumber);
    if (subscription === undefined || topic === undefined) continue;
    tallyOf(ledger, subscription).scheduled -= 1;
    const parcel = {
      id: messageId,
      topic,
      body,
      headers,
      key,
      facts: parseFacts(facts),
      acceptedAt,
    };
    place(ledger, subscription, parcel, nobody);
  }
  if (due.length === stepRows) ledger.dueAt = ledger.now;
}
