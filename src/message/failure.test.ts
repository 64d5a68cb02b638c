/** What is kept of an error: enough to find the line, and never without a bound. */
import assert from 'node:assert/strict';
import { describe as group, test } from 'vitest';
import { MaloteError } from '../errors.ts';
import { describe, failureOf, ownFailureOf } from './failure.ts';
import type { Failure } from './life.ts';

group('an error is kept with', () => {
  test('its name, message, code and the place where it was thrown', () => {
    const error = Object.assign(new TypeError('no such thing'), { code: 'ENOENT' });

    const { stack, ...failure } = failureOf(error);

    assert.deepEqual(failure, { name: 'TypeError', message: 'no such thing', code: 'ENOENT' });
    assert.match(stack ?? '', /^at .*failure\.test\.ts:\d+:\d+/);
    assert.doesNotMatch(stack ?? '', /no such thing/);
  });

  test('the name of its class, where that has only inherited one', () => {
    class CardDeclined extends Error {}
    class Expired extends CardDeclined {}
    class Named extends Error {
      override readonly name = 'named by itself';
    }
    class OfPrototype extends Error {}
    Object.defineProperty(OfPrototype.prototype, 'name', { value: 'named by its class' });
    const renamed = Object.assign(new Expired('x'), { name: 'renamed' });
    const aborted = new DOMException('x', 'AbortError');
    const nameless = new (class extends RangeError {})('x');
    const errors = [new CardDeclined(), new Expired(), new Named(), new OfPrototype(), renamed];

    const names = [...errors, aborted, nameless, new Error('x')].map(
      (error) => failureOf(error).name,
    );

    assert.deepEqual(names, [
      'CardDeclined',
      'Expired',
      'named by itself',
      'named by its class',
      'renamed',
      'AbortError',
      'RangeError',
      'Error',
    ]);
  });

  test('what it was caused by, and that by what', () => {
    const refused = Object.assign(new Error('connect 10.0.0.1:443'), { code: 'ECONNREFUSED' });
    const all = new AggregateError([refused, new Error('another')], '');
    const failed = new TypeError('fetch failed', { cause: all });

    const chain = chainOf(failureOf(new Error('the rate is unknown', { cause: failed })));

    assert.deepEqual(
      chain.map(({ name, message, code }) => [name, message, code]),
      [
        ['Error', 'the rate is unknown', undefined],
        ['TypeError', 'fetch failed', undefined],
        ['AggregateError', '', undefined],
        ['Error', 'connect 10.0.0.1:443', 'ECONNREFUSED'],
      ],
    );
    for (const { stack } of chain) assert.match(stack ?? '', /failure\.test\.ts/);
  });

  test('no more than its bounds, whatever it is', () => {
    const long = 'x'.repeat(100_000);
    const circular = Object.assign(new Error(long), { code: long, name: long });
    circular.stack = `Error: ${long}\n${`    at ${long} (file.ts:1:1)\n`.repeat(1_000)}`;
    circular.cause = circular;

    const failure = failureOf(circular);

    assert.ok(JSON.stringify(failure).length < 16_000);
    assert.equal(chainOf(failure).length, 4);
    assert.ok(describe(failure).length <= 1_000);
    assert.match(describe(failure), /…\nat x/);
  });

  test('the frames of the application, without those of malote and of Node.js', () => {
    const own = 'at book (file:///srv/app/ledger.ts:9:1)';
    const library = 'at query (file:///srv/app/node_modules/pg/client.js:1:1)';
    const malote = 'at run (file:///srv/app/node_modules/malote/dist/runtime/attempt.js:144:24)';
    const windows = 'at run (C:\\app\\node_modules\\malote\\dist\\runtime\\attempt.js:144:24)';
    const node = 'at process.processTicksAndRejections (node:internal/process/task_queues:105:5)';
    const nameless = 'at async node:internal/main/run_main_module:36:49';
    const promise = 'at new Promise (<anonymous>)';
    const stackOf = (...frames: readonly string[]): readonly string[] | undefined => {
      const error = new Error('x', { cause: new Error('y') });
      error.stack = ['Error: x', ...frames.map((frame) => `    ${frame}`)].join('\n');
      (error.cause as Error).stack = error.stack.replace('x', 'y');
      const { stack, cause } = failureOf(error);
      assert.equal(cause?.stack, stack);
      return stack?.split('\n');
    };

    assert.deepEqual(stackOf(library, own, malote, node, nameless), [library, own]);
    assert.deepEqual(stackOf(node, windows, own, malote), [own]);
    assert.deepEqual(stackOf(own, promise, ...Array.from({ length: 30 }, () => malote), library), [
      own,
      promise,
      library,
    ]);
    assert.deepEqual(stackOf(malote, promise, node), [malote, promise, node], 'there is no other');
  });

  test('ten frames at most', () => {
    const error = new Error('deep');
    const frames = Array.from({ length: 30 }, (_, index) => `    at f${index} (a.ts:1:1)`);
    error.stack = `Error: deep\n${frames.join('\n')}`;

    assert.equal(failureOf(error).stack?.split('\n').length, 10);
    assert.equal(
      describe(failureOf(error)),
      'Error: deep\nat f0 (a.ts:1:1)\nat f1 (a.ts:1:1)\nat f2 (a.ts:1:1)',
    );
  });
});

test('what is no error, or cannot be looked at, is kept as well as it can be', () => {
  const hostile = new Proxy(new Error('never seen'), {
    get: () => {
      throw new Error('do not look');
    },
  });

  assert.deepEqual(failureOf('a text'), { name: 'Thrown', message: 'a text' });
  assert.deepEqual(failureOf(undefined), { name: 'Thrown', message: 'undefined' });
  assert.deepEqual(failureOf(hostile), {
    name: 'Thrown',
    message: 'an error that cannot be shown',
  });
});

test('an error that malote makes about a message keeps its code, and no place of malote', () => {
  const cause = new TypeError('broken');
  const { cause: why, ...failure } = ownFailureOf(
    new MaloteError('TIMED_OUT', 'too slow', { cause }),
  );

  assert.deepEqual(failure, { name: 'MaloteError', message: 'too slow', code: 'TIMED_OUT' });
  assert.match(why?.stack ?? '', /failure\.test\.ts/);
});

function chainOf(failure: Failure): Failure[] {
  const chain: Failure[] = [];
  for (let next: Failure | undefined = failure; next !== undefined; next = next.cause) {
    chain.push(next);
  }
  return chain;
}
