/** What the compiler refuses: each line below an `@ts-expect-error` would be a mistake. */
import assert from 'node:assert/strict';
import { type Bus, createBus, message } from 'malote';
import { memory } from 'malote/memory';
import { test } from 'vitest';
import { z } from 'zod';

const Paid = message('paid', { schema: z.object({ id: z.string(), amount: z.coerce.number() }) });
const Sent = message('sent', { schema: z.object({ to: z.string() }) });

/** Never called: it only has to compile. */
export function mistakes(bus: Bus): void {
  // @ts-expect-error id is missing
  void bus.publish(Paid, { amount: 1 });
  // @ts-expect-error a duration needs a unit it knows
  void bus.publish(Paid, { id: 'a', amount: 1 }, { delay: '30 seconds' });
  // @ts-expect-error this engine has no transactions
  void bus.publish(Paid, { id: 'a', amount: 1 }, { tx: {} });
  // @ts-expect-error no such option
  bus.consume(Paid, { name: 'x', concurency: 3 }, () => {});
  // @ts-expect-error order by what the data lacks
  message('x', { schema: z.object({ a: z.string() }), orderBy: (data) => data.b });
  bus.consume([Paid, Sent], { name: 'x' }, (msg) => {
    if (msg.type === 'sent') {
      msg.data.to.toUpperCase();
      // @ts-expect-error a sent message has no amount
      msg.data.amount.toFixed(2);
    } else msg.data.amount.toFixed(2);
  });
  // @ts-expect-error a transaction would be over before a promise is
  void bus.transaction(async () => {});
  bus.consume(Paid, { name: 'x', inbox: true }, async (_, ctx) => {
    const sum: number = await ctx.transaction(() => 1);
    // @ts-expect-error the same
    await ctx.transaction(async () => sum);
  });
  // @ts-expect-error a bus without transactions is not one with them
  const other: Bus<{ exec(sql: string): void }> = bus;
  void other;
}

test('a message type carries its name and its schema', () => {
  assert.equal(Paid.name satisfies 'paid', 'paid');
  assert.equal(typeof createBus({ engine: memory() }).publish, 'function');
});
