/** A default is written once in the code; its docstring and the page about the API say the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { cacheDefaults } from '../../src/cache/options.ts';
import { lockDefaults } from '../../src/lock/create-locks.ts';
import { exponential } from '../../src/policy/backoff.ts';
import { defaults } from '../../src/runtime/options.ts';

interface Place {
  /** Of the page, up to which the table reaches from. */
  readonly heading: string;
  readonly types: readonly (readonly [file: string, type: string, prefix?: string])[];
  /** By the path of the option. */
  readonly values: Readonly<Record<string, unknown>>;
}

const { subscription, waiting, handling, retry, rate, relaying, drain, ...bus } = defaults;
const { lockTtl, lockWait, ...cache } = cacheDefaults;
const none = { text: 'no limit' };

const places: readonly Place[] = [
  {
    heading: '## `createBus(',
    types: [
      ['src/runtime/bus.ts', 'CommonBusOptions'],
      ['src/runtime/bus.ts', 'StoredBusOptions'],
      ['src/runtime/options.ts', 'RelayOptions', 'relay.'],
    ],
    values: { ...bus, ...under('relay', relaying) },
  },
  {
    heading: '## Consume',
    types: [
      ['src/runtime/options.ts', 'SubscriptionOptions'],
      ['src/runtime/options.ts', 'HandlingOptions'],
      ['src/runtime/options.ts', 'RetryOptions', 'retry.'],
      ['src/runtime/bus.ts', 'ConsumeOptions'],
    ],
    values: {
      ...subscription,
      ...handling,
      ...under('waiting', waiting),
      ...under('retry', retry),
      // Not asked for, there is none.
      ...{ rate: none, inbox: false },
    },
  },
  {
    heading: '## Cache',
    types: [['src/cache/cache.ts', 'CacheOptions']],
    values: { ...cache, ...under('lock', { ttl: lockTtl, wait: lockWait }) },
  },
  { heading: '## Lock', types: [['src/lock/lock.ts', 'LockOptions']], values: lockDefaults },
];

describe.each(places)('$heading', ({ heading, types, values }) => {
  test('every `@defaultValue` is the value in the code, and every value has one', () => {
    const tags = Object.assign(
      {},
      ...types.map(([file, type, prefix]) => tagsOf(file, type, prefix)),
    );

    assert.deepEqual(tags, values);
  });

  test('the table in docs/api.md says the same', () => {
    const rows = rowsOf(heading);

    for (const [name, value] of Object.entries(values)) {
      assert.deepEqual(rows.get(name), value, `docs/api.md, ${heading}: ${name}`);
    }
  });
});

test('what the page says in a sentence is so as well', () => {
  const page = readFileSync('docs/api.md', 'utf8');
  const rates = tagsOf('src/runtime/options.ts', 'RateOptions');

  assert.deepEqual(rates, rate);
  assert.ok(page.includes(`up to \`drain\`\n(\`'${String(drain)}'\`)`), 'bus.stop: drain');
});

function under(prefix: string, values: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`${prefix}.${name}`, value]),
  );
}

/** The defaults that the docstrings of an interface name, by the path of the option. */
function tagsOf(file: string, type: string, prefix = ''): Record<string, unknown> {
  const source = readFileSync(file, 'utf8');
  const body = new RegExp(`^export interface ${type}\\b.*?^}`, 'ms').exec(source)?.[0] ?? '';
  assert.notEqual(body, '', `${file} has no interface ${type}`);
  const tags: Record<string, unknown> = {};
  let within = '';
  let tag: string | null = null;
  for (const line of body.split('\n')) {
    tag = /@defaultValue (.*?)\s*(?:\*\/)?$/.exec(line)?.[1] ?? tag;
    const [, name, opens] = /^ +readonly (\w+)\??: ?(\{$)?/.exec(line) ?? [];
    if (/^ {2}\};$/.test(line)) within = '';
    if (name === undefined) continue;
    if (tag !== null) tags[prefix + within + name] = valueOf(tag);
    tag = null;
    if (opens !== undefined) within = `${name}.`;
  }
  return tags;
}

/** The defaults in the first table behind a heading of the page, by the path of the option. */
function rowsOf(heading: string): Map<string, unknown> {
  const [, section = ''] = readFileSync('docs/api.md', 'utf8').split(`\n${heading}`);
  const [, table = ''] = /^\| Option \| Default \|.*\n\|.*\n((?:\|.*\n)+)/m.exec(section) ?? [];
  const rows = table.matchAll(/^\| `([\w.]+)[^|]*` \| ([^|]+) \|/gm);
  return new Map(
    [...rows].map(([, name, text]) => [name!, valueOf(text!.trim().replaceAll('`', ''))]),
  );
}

/** What an expression of a page stands for. */
function valueOf(text: string): unknown {
  if (text === none.text) return none;
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- it is our own page
    return new Function('exponential', `return (${text})`)(exponential);
  } catch {
    return { text };
  }
}
