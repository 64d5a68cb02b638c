/** Steps that many cases take: emptying a subscription, and looking at what came out of it. */

import assert from 'node:assert/strict';
import type { MessageState, MessageView } from '../../transport/store.ts';
import type { Delivery } from '../../transport/transport.ts';
import type { Connection, Consumer } from './harness.ts';
import { ack } from './settlements.ts';

/** Receives and acks until `count` messages are done. Answers them in the order they came. */
export async function drain(
  { connection, consumer }: { readonly connection: Connection; readonly consumer: Consumer },
  count: number,
  granted: number = 0,
): Promise<readonly Delivery[]> {
  const done: Delivery[] = [];
  if (count > granted) consumer.grant(count - granted);
  while (done.length < count) {
    const batch = [...(await consumer.next(1)), ...consumer.pending()];
    await connection.settled(...batch.map((delivery) => ack(delivery)));
    done.push(...batch);
  }
  return done;
}

/** The ids of each key, in the order they came; those without a key are left out. */
export function idsByKey(deliveries: readonly Delivery[]): Record<string, string[]> {
  const ids: Record<string, string[]> = {};
  for (const { key, id } of deliveries) if (key !== null) (ids[key] ??= []).push(id);
  return ids;
}

/** What the engine knows of `id` in the one subscription there is. */
export async function viewOf(connection: Connection, id: string): Promise<MessageView | undefined> {
  const views = await connection.store.get(id);
  assert.ok(views.length <= 1, `${id} should be known once`);
  return views[0];
}

/** Null where the engine cannot find a message by its id. */
export async function expectState(
  connection: Connection,
  id: string,
  state: MessageState,
): Promise<MessageView | null> {
  if (!connection.capabilities.lookup) return null;
  const view = await viewOf(connection, id);
  assert.ok(view, `${id} should be known`);
  assert.equal(view.state, state, `${id} should be ${state}`);
  return view;
}

/** A message that is done may be forgotten; if it is known, it is known as done. */
export async function expectDone(connection: Connection, ...ids: readonly string[]): Promise<void> {
  if (!connection.capabilities.lookup) return;
  for (const id of ids) {
    const states = (await connection.store.get(id)).map(({ state }) => state);
    assert.ok(
      states.every((state) => state === 'done'),
      `${id} should be done, it is ${states.join(', ')}`,
    );
  }
}

/** Comparable whatever class of byte array a driver answers with. */
export function plain(body: string | Uint8Array): string | Uint8Array {
  return typeof body === 'string' ? body : Uint8Array.from(body);
}

/** Waits until the clock stands at `at`. */
export async function advanceTo(
  clock: { now(): number; advance(ms: number): Promise<void> },
  at: number,
): Promise<void> {
  assert.ok(at >= clock.now(), 'a case cannot turn back time');
  await clock.advance(at - clock.now());
}

/** Resolves once that many messages wait: what is opened before comes first for them. */
export async function untilWaiting(connection: Connection, count: number): Promise<void> {
  let waiting = 0;
  for (let looks = 0; looks < 1_000; looks++) {
    ({ waiting } = (await connection.view()).stats);
    if (waiting === count) return;
  }
  assert.fail(`${count} messages should wait, ${waiting} do`);
}
