/**
 * The log of facts: apart from the queues, and read by every connection at its own pace, so that a
 * fact and an ack are never one step.
 */

import type { FactChange, FactId } from '../../transport/transport.ts';
import type { Broker, BrokerConnection } from './broker.ts';

const longestLog = 4_096;

export function appendFacts(broker: Broker, changes: readonly FactChange[]): void {
  const { factLog, connections } = broker;
  for (const change of changes) {
    factLog.entries.push(change);
    if (change.state === 'fulfilled') factLog.holding.add(change.fact);
    else factLog.holding.delete(change.fact);
  }
  if (factLog.entries.length > longestLog) cut(broker);
  for (const connection of connections) connection.tail();
}

/** What holds at the end of the log: a connection that opens reads it before anything else. */
export function replay(broker: Broker, connection: BrokerConnection): Set<FactId> {
  const { factLog } = broker;
  connection.position = factLog.start + factLog.entries.length;
  return new Set(factLog.holding);
}

export function readOn(broker: Broker, connection: BrokerConnection): FactChange[] {
  const { factLog } = broker;
  const changes = factLog.entries.slice(connection.position - factLog.start);
  connection.position = factLog.start + factLog.entries.length;
  return changes;
}

function cut({ factLog, connections }: Broker): void {
  let read = factLog.start + factLog.entries.length;
  for (const { position } of connections) read = Math.min(read, position);
  factLog.entries.splice(0, read - factLog.start);
  factLog.start = read;
}
