/** Handlers that do what no handler should: the message suffers, nobody else does. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createBus, type Engine, fixed, type HandlerContext, MaloteError, message } from 'malote';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';
import { testBus } from 'malote/testing';
import { describe, test } from 'vitest';
import { z } from 'zod';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { codeThrown } from './support.ts';

const Note = message<{ n: number }>('note');
const Follow = message<{ of: number }>('follow');
const folder = temporaryFolder();
// oxlint-disable-next-line unicorn/no-thenable -- objects like these are what is tested
const thenName = 'then';
let files = 0;
const engines: readonly (readonly [string, () => Engine])[] = [
  ['memory', () => memory()],
  ['sqlite', () => sqlite(join(folder, `${files++}.db`))],
];
const loose = (value: unknown): never => value as never;

const answers: readonly (readonly [string, (ctx: HandlerContext) => unknown])[] = [
  ['an object with a field `then`', () => withThen(5)],
  ['a `then` that throws', () => withThen(() => throwIt(new Error('by then')))],
  ['a proxy that was revoked', () => revoked()],
  ['an error as a reason to die', (ctx) => ctx.deadLetter(loose(new Error('why')))],
  ['no reason to die', (ctx) => ctx.deadLetter(loose(undefined))],
  ['an error as a reason to retry', (ctx) => ctx.retryIn('1h', loose(new Error('why')))],
  ['a reason of a megabyte', (ctx) => ctx.deadLetter('x'.repeat(1_000_000))],
  ['null, thrown', () => throwIt(null)],
  ['a proxy that was revoked, thrown', () => throwIt(revoked())],
  ['the same, by a promise', () => new Promise((resolve) => resolve(throwIt(revoked())))],
];

describe.each(engines)('%s', (_name, engine) => {
  test.each(answers)('%s harms nobody else', async (_what, answer) => {
    const bus = createBus({ engine: engine(), handleSignals: false, logger: false });
    const others = new Promise<void>((resolve) => {
      let seen = 0;
      const retry = { attempts: 2, backoff: fixed(1), giveUpOn: [RangeError] };
      bus.consume(Note, { name: 'notes', retry }, (msg, ctx) => {
        if (msg.data.n === 0) return answer(ctx);
        if (++seen === 20) resolve();
        return undefined;
      });
    });
    await bus.start();
    await bus.publishMany(
      Note,
      Array.from({ length: 21 }, (_, n) => ({ n })),
    );
    await others;
    assert.ok((await bus.subscriptions.stats('notes')).depth < 21);
    await bus.stop();
  });
});

test('a staged publish is stored although nobody awaits it', async () => {
  const Slow = message('slow', {
    schema: z.object({ of: z.number().refine(async () => await Promise.resolve(true)) }),
  });
  const seen: string[] = [];
  await using t = await testBus({
    use: (bus) => {
      bus.consume(Note, { name: 'notes' }, (msg, ctx) => {
        void ctx.publish(Follow, { of: msg.data.n });
        void ctx.publish(Slow, { of: msg.data.n });
      });
      bus.consume([Follow, Slow], { name: 'both' }, (msg) => void seen.push(msg.type));
    },
  });
  await t.publish(Note, { n: 1 });
  await t.settle();
  assert.deepEqual(new Set(seen), new Set(['follow', 'slow']));
});

test('what is asked of ctx after the end is refused', async () => {
  let kept: HandlerContext | undefined;
  await using t = await testBus({
    use: (bus) => bus.consume(Note, { name: 'notes' }, (_msg, ctx) => void (kept = ctx)),
  });
  await t.publish(Note, { n: 1 });
  await t.settle();
  const error = await kept?.publish(Follow, { of: 1 }).catch((reason: unknown) => reason);
  assert.ok(error instanceof MaloteError && error.code === 'ATTEMPT_OVER');
  assert.equal(
    codeThrown(() => kept?.fulfil()),
    'ATTEMPT_OVER',
  );
});

test('a handler does not start once its attempt is over', async () => {
  let holds = false;
  let release: () => void = () => {};
  const slowAtTheFirstDelivery = async (): Promise<boolean> => {
    if (holds) await new Promise<void>((resolve) => (release = resolve));
    return true;
  };
  const Slow = message('slow', {
    schema: z.object({ n: z.number() }).refine(slowAtTheFirstDelivery),
  });
  const runs: number[] = [];
  await using t = await testBus({
    use: (bus) => {
      const options = { name: 'slow', timeout: '1s', retry: { backoff: fixed('1s') } } as const;
      bus.consume(Slow, options, (_msg, ctx) => void runs.push(ctx.attempt));
    },
  });
  await t.subscriptions.pause('slow');
  await t.publish(Slow, { n: 1 });
  holds = true;
  await t.subscriptions.resume('slow');
  await t.clock.advance('1500ms');
  holds = false;
  await t.clock.advance('3s');
  assert.deepEqual(runs, [2]);
  release();
  await t.settle();
  assert.deepEqual(runs, [2]);
});

test('options that would only fail later are refused at once', () => {
  const bus = createBus({ engine: memory(), handleSignals: false });
  const consume = (retry: object) => (): void => bus.consume(Note, { name: 'x', retry }, () => {});
  assert.equal(codeThrown(consume({ giveUpOn: [() => true] })), 'OPTION_INVALID');
  assert.equal(codeThrown(consume({ backoff: { stepMs: 5 } })), 'OPTION_INVALID');
});

/** Not a literal: a linter that sees one is right to complain. */
function withThen(then: unknown): object {
  return Object.fromEntries([[thenName, then]]);
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function throwIt(error: unknown): never {
  throw error;
}
