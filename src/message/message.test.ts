/** The nouns: durations, definitions, facts and the JSON codec. */
import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { z } from 'zod';
import type { MaloteError } from '../errors.ts';
import { dependency, factsOf } from './dependency.ts';
import { toMs } from './duration.ts';
import { decode, encode } from './json.ts';
import { message } from './message.ts';

const limits = { maxBytes: 1_000, maxDepth: 8 };
const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'nothing thrown';
};

describe('durations', () => {
  test('have units, or are milliseconds', () => {
    const given = [250, '250ms', '30s', '1.5m', '24h', '7d'] as const;
    const ms = [250, 250, 30_000, 90_000, 86_400_000, 604_800_000];
    assert.deepEqual(
      given.map((duration) => toMs(duration, 'x')),
      ms,
    );
  });

  test.each([
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '30 seconds',
    '',
    '1e3s',
    '99999d',
    null,
    true,
  ])('%j is refused', (duration) => {
    assert.equal(
      codeOf(() => toMs(duration as number, 'timeout')),
      'OPTION_INVALID',
    );
  });
});

describe('definitions', () => {
  test.each(['', 'a b', 'ä', '.x', 'x'.repeat(129), 'a/b', 7])('the name %j is refused', (name) => {
    assert.equal(
      codeOf(() => message(name as string)),
      'DEFINITION_INVALID',
    );
    assert.equal(
      codeOf(() => dependency(name as string)),
      'DEFINITION_INVALID',
    );
  });

  test('unknown options are refused with the nearest known one', () => {
    const orderby = { orderby: () => 'k' } as object;
    assert.throws(() => message('a', orderby), /has no option "orderby"; did you mean "orderBy"\?/);
  });

  test('a schema that is no Standard Schema is refused', () => {
    const schema = { parse: () => 1 } as never;
    assert.equal(
      codeOf(() => message('a', { schema })),
      'DEFINITION_INVALID',
    );
  });

  test('facts are named by kind and id, each once', () => {
    const customer = dependency('customer');
    assert.deepEqual(factsOf([customer('5'), customer(5), customer('a:b')]), [
      'customer:5',
      'customer:a:b',
    ]);
    assert.deepEqual(factsOf(undefined), []);
    assert.equal(
      codeOf(() => customer('')),
      'DATA_INVALID',
    );
  });

  test('types are frozen', () => {
    const type = message('a', { schema: z.object({}) });
    assert.throws(() => Object.assign(type, { name: 'b' }), TypeError);
  });
});

describe('the body', () => {
  test('comes out as it went in', () => {
    const data = { text: 'a"\\\u2028ü🙂', list: [1, null, { deep: true }] };
    assert.deepEqual(decode(encode(data, 'data', limits), 'body', limits), data);
  });

  test('is refused above its size in bytes, not in characters', () => {
    assert.equal(encode('x'.repeat(998), 'data', limits).length, 1_000);
    assert.equal(
      codeOf(() => encode('x'.repeat(999), 'data', limits)),
      'MESSAGE_TOO_LARGE',
    );
    assert.equal(encode('ü'.repeat(499), 'data', limits).length, 501);
    assert.equal(
      codeOf(() => encode('ü'.repeat(500), 'data', limits)),
      'MESSAGE_TOO_LARGE',
    );
    assert.equal(encode('🙂'.repeat(249), 'data', limits).length, 500);
    assert.equal(
      codeOf(() => encode('🙂'.repeat(250), 'data', limits)),
      'MESSAGE_TOO_LARGE',
    );
  });

  test('is refused below its depth, and brackets in text do not count', () => {
    const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
    assert.equal(encode(deep(8), 'data', limits), '[[[[[[[[1]]]]]]]]');
    assert.equal(
      codeOf(() => encode(deep(9), 'data', limits)),
      'MESSAGE_TOO_DEEP',
    );
    assert.ok(encode({ text: `${'['.repeat(50)}\\"{` }, 'data', limits));
    const bomb = '['.repeat(900);
    assert.equal(
      codeOf(() => decode(bomb, 'body', limits)),
      'MESSAGE_TOO_DEEP',
    );
  });

  test('is refused where it would change a prototype', () => {
    const parsed: unknown = JSON.parse('{"a":{"__proto__":{"admin":true}}}');
    assert.equal(
      codeOf(() => encode(parsed, 'data', limits)),
      'DATA_INVALID',
    );
    assert.equal(
      codeOf(() => decode('{"__proto__":1}', 'body', limits)),
      'DATA_INVALID',
    );
    for (const name of ['\\u005f_proto__', '__pr\\u006fto__']) {
      assert.equal(
        codeOf(() => decode(`{"${name}":1}`, 'body', limits)),
        'DATA_INVALID',
      );
    }
    assert.equal(
      codeOf(() => decode('{"__proto__" \n: 1}', 'body', limits)),
      'DATA_INVALID',
    );
    assert.deepEqual(decode('{"\\u005fproto":1}', 'body', limits), { _proto: 1 });
    const harmless = { it: ['__proto__', '"__proto__":', '\u0001'] };
    assert.deepEqual(decode(encode(harmless, 'data', limits), 'body', limits), harmless);
  });

  test('is refused where JSON would write something else without a word', () => {
    const lost = [
      [{ amount: Number.NaN }, /at "amount", must be what JSON can say, got NaN/],
      [{ deep: [{ rate: Number.POSITIVE_INFINITY }] }, /at "rate", .* got Infinity/],
      [Number.NaN, /^data must be what JSON can say, got NaN/],
      [[undefined], /got undefined in an array/],
      [[() => 1], /got function in an array/],
      [{ tags: new Set(['a']) }, /at "tags", .* got an instance of Set/],
      [{ byId: new Map([['a', 1]]) }, /got an instance of Map/],
      [new Error('what went wrong'), /got an instance of Error/],
    ] as const;
    for (const [data, sentence] of lost) {
      assert.throws(
        () => encode(data, 'data', limits),
        (error: MaloteError) => error.code === 'DATA_INVALID' && sentence.test(error.message),
      );
    }
    const bare: unknown = Object.assign(Object.create(null), { none: {} });
    const kept = { none: null, empty: {}, absent: undefined, at: new Date(0), list: [null, {}] };
    assert.equal(
      encode(kept, 'data', limits),
      '{"none":null,"empty":{},"at":"1970-01-01T00:00:00.000Z","list":[null,{}]}',
    );
    assert.equal(encode(bare, 'data', limits), '{"none":{}}');
  });

  test('is refused when it is not JSON, without showing it', () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    for (const data of [undefined, () => 1, Symbol('x'), 1n, cycle]) {
      assert.equal(
        codeOf(() => encode(data, 'data', limits)),
        'DATA_INVALID',
      );
    }
    assert.throws(
      () => decode('{"secret": hunter2}', 'body of x', limits),
      (error: Error) =>
        /body of x must be JSON/.test(error.message) && !/hunter2/.test(error.message),
    );
  });
});
