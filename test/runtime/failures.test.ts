/** What is left of what a handler threw: in the log, in the history, in the dead letters. */
import assert from 'node:assert/strict';
import { createBus, type DeadLetter, dependency, fixed, message } from 'malote';
import { memory } from 'malote/memory';
import { testBus } from 'malote/testing';
import { test } from 'vitest';
import { z } from 'zod';

const Note = message<{ readonly n: number }>('note');
const door = dependency('door');
const here = /^at .*failures\.test\.ts:\d+:\d+/;

type Failure = NonNullable<DeadLetter['lastFailure']>;

class CardDeclined extends Error {}

function decline(): never {
  const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
  throw new CardDeclined('the card was declined', { cause: refused });
}

function assertDeclined(failure: Failure | null | undefined): void {
  assert.equal(failure?.name, 'CardDeclined');
  assert.equal(failure.message, 'the card was declined');
  assert.match(failure.stack ?? '', here);
  assert.equal(failure.cause?.code, 'ECONNREFUSED');
}

test('a handler that throws leaves the class, the line and the cause in every log line', async () => {
  const lines: { readonly failure?: Failure }[] = [];
  const write = (fields: object): void => void lines.push(fields);
  const logger = { debug: () => {}, info: () => {}, warn: write, error: write };
  const bus = createBus({ engine: memory(), logger, handleSignals: false });
  const dead = new Promise<void>((resolve) => {
    const retry = { attempts: 2, backoff: fixed(1) };
    bus.consume(Note, { name: 'notes', retry }, (_msg, ctx) => {
      if (ctx.attempt === 2) resolve();
      decline();
    });
  });
  await bus.start();
  await bus.publish(Note, { n: 1 });
  await dead;
  await bus.stop();

  assert.equal(lines.length, 2);
  for (const { failure } of lines) assertDeclined(failure);
});

test('a handler that a stop cuts short is warned of, one that gives back by itself is not', async () => {
  const lines: { readonly why?: string }[] = [];
  const write = (fields: object): void => void lines.push(fields);
  const logger = { debug: () => {}, info: () => {}, warn: write, error: write };
  const bus = createBus({ engine: memory(), logger, handleSignals: false });
  let deliveries = 0;
  const hanging = new Promise<void>((resolve) => {
    bus.consume(Note, { name: 'notes' }, (_msg, ctx) => {
      deliveries += 1;
      if (deliveries === 1) return ctx.release();
      resolve();
      return new Promise((_done, failed) => {
        ctx.signal.addEventListener('abort', () => failed(new Error('told to stop')));
      });
    });
  });
  await bus.start();
  const { id } = await bus.publish(Note, { n: 1 });
  await hanging;
  await bus.stop({ drain: 1 });

  const warned = { id, type: 'note', subscription: 'notes', attempt: 1, why: 'stopping' };
  assert.deepEqual(
    lines.map(({ why, ...about }) => ({ ...about, why })),
    [{ ...lines[0], ...warned }],
  );
});

test.each(['lanes', 'partitions'] as const)(
  'so do the dead letter and the history (%s)',
  async (shape) => {
    const retry = { attempts: 2, backoff: fixed('1s') };
    await using t = await testBus({
      shape,
      use: (bus) => bus.consume(Note, { name: 'notes', retry }, decline),
    });
    const { id } = await t.publish(Note, { n: 1 });
    await t.settle();
    await t.clock.advance('1s');
    await t.settle();

    const [letter] = await t.dead.get(id);
    const [view] = await t.messages.get(id);

    assertDeclined(letter?.firstFailure);
    assertDeclined(letter?.lastFailure);
    const [retried, died] = view?.history.map(({ detail }) => detail ?? '') ?? [];
    assert.match(retried ?? '', /^CardDeclined: the card was declined\nat .*failures\.test\.ts/);
    assert.match(died ?? '', /^attempts-exhausted/);
  },
);

test('what malote says of an attempt has its code and figures, and no place inside malote', async () => {
  const Counted = message('counted', { schema: z.object({ n: z.number() }) });
  await using t = await testBus({
    use(bus) {
      const retry = { attempts: 1 };
      bus.consume(Note, { name: 'notes', timeout: 200, retry }, () => new Promise(() => {}));
      bus.consume(Counted, { name: 'counts' }, () => {});
    },
  });
  const late = await t.publish(Note, { n: 1 });
  await t.clock.advance('10s');
  await t.settle();
  const unfit = await t.publish(message<{ n: string }>('counted'), { n: 'one' });
  await t.settle();

  const [timedOut] = await t.dead.get(late.id);
  const [invalid] = await t.dead.get(unfit.id);

  assert.deepEqual(timedOut?.lastFailure, {
    name: 'MaloteError',
    message: 'attempt 1 took longer than its time-out of 200 ms',
    code: 'TIMED_OUT',
  });
  assert.equal(timedOut?.attempts, 1);
  assert.equal(invalid?.reason, 'invalid');
  assert.equal(invalid.attempts, 0, 'its handler was never called');
  assert.equal(invalid.lastFailure?.code, 'DATA_INVALID');
  assert.match(invalid.lastFailure.message, /^data of counted is invalid: it does not fit .* n: /);
  assert.deepEqual(Object.keys(invalid.lastFailure).toSorted(), ['code', 'message', 'name']);
});

test.each(['lanes', 'partitions'] as const)(
  'the event of a death counts the attempts that its dead letter counts (%s)',
  async (shape) => {
    const Unfit = message('unfit', { schema: z.object({ n: z.number() }) });
    const Waits = message<{ n: number }>('waits', { waitFor: ({ n }) => door(String(n)) });
    const types = [Note, Unfit, Waits] as const;
    const consumer = {
      name: 'notes',
      retry: { attempts: 2, backoff: fixed('1s') },
      waiting: { deadline: '20s' },
    } as const;
    await using t = await testBus({
      shape,
      use: (bus) => bus.consume(types, consumer, decline),
    });
    const { id: tried } = await t.publish(Note, { n: 1 });
    const { id: unread } = await t.publish(message<{ n: string }>('unfit'), { n: 'one' });
    const { id: late } = await t.publish(Waits, { n: 1 });
    await t.settle();
    await t.clock.advance('20s');
    await t.settle();

    const { items } = await t.dead.list({ subscription: 'notes' });

    const told = t
      .timeline()
      .flatMap((event) => (event.kind === 'dead' ? [[event.id, event.attempt] as const] : []));
    assert.deepEqual(
      new Map(told),
      new Map([
        [tried, 2],
        [unread, 0],
        [late, 0],
      ]),
    );
    assert.deepEqual(new Map(items.map(({ id, attempts }) => [id, attempts])), new Map(told));
  },
);
