/** What the library's own log lines say, through a logger shaped like pino's. */
import assert from 'node:assert/strict';
import { createBus, dependency, fixed, message, type PinoLike } from 'malote';
import { memory } from 'malote/memory';
import { describe, test } from 'vitest';
import { assembleBus } from '../../src/runtime/create-bus.ts';
import { createLogger } from '../../src/runtime/log.ts';
import type { Transition } from '../../src/runtime/transition.ts';
import { seededRandom, sequentialIds } from '../../src/testing/seeded.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { listenTo } from '../support/transitions.ts';

interface Line {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly sentence: string;
}

function recorder(enabled: boolean): PinoLike & { readonly lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (fields: object, sentence: string) =>
    void lines.push({ level, fields: { ...fields }, sentence });
  return {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    isLevelEnabled: (level) => enabled || level !== 'debug',
  };
}

describe('what the relay published is one line', () => {
  const relayed = (messages: number, ids: number): Transition => ({
    kind: 'relayed',
    ids: Array.from({ length: ids }, (_, index) => `m${index + 1}`),
    messages,
    lagMs: 12,
  });

  test.each([
    { messages: 1, ids: 1, sentence: 'Published messages: [m1]' },
    { messages: 2, ids: 2, sentence: 'Published messages: [m1, m2]' },
  ])('of $messages', ({ messages, ids, sentence }) => {
    const logger = recorder(false);

    createLogger(logger, virtualClock()).write(relayed(messages, ids));

    const [line, ...others] = logger.lines;
    assert.deepEqual(others, []);
    assert.equal(line?.level, 'info');
    assert.equal(line?.sentence, sentence);
    assert.equal(line?.fields['lagMs'], 12);
  });

  test.each([
    { messages: 100, more: '' },
    { messages: 101, more: ', and 1 more' },
    { messages: 900, more: ', and 800 more' },
  ])('of $messages: from the 101st on only their number', ({ messages, more }) => {
    const logger = recorder(false);

    createLogger(logger, virtualClock()).write(relayed(messages, 100));

    const { sentence = '' } = logger.lines[0] ?? {};
    assert.match(sentence, /^Published messages: \[m1, m2, .*m100(.*)\]$/);
    assert.ok(sentence.endsWith(`m100${more}]`), sentence);
  });
});

const Note = message<{ readonly do: string }>('note');
const door = dependency('door');

test.each([
  { debugs: false, what: 'at the usual level' },
  { debugs: true, what: 'where everything is logged' },
])('an attempt that ended is logged with how long it took, $what', async ({ debugs }) => {
  const logger = recorder(debugs);
  const clock = virtualClock();
  const exact = { ...clock, monotonic: () => clock.monotonic() * 1.000_123_456_789 };
  const { bus } = assembleBus(
    { engine: memory(), logger, handleSignals: false },
    { clock: exact, random: seededRandom(1), newId: sequentialIds('m'), process: 'one' },
  );
  const retry = { attempts: 2, backoff: fixed('1s') };
  bus.consume(Note, { name: 'notes', retry }, async ({ data }, ctx) => {
    await new Promise<void>((resolve) => clock.setTimer(resolve, 40));
    if (data.do === 'wait') return ctx.waitFor(door('1'));
    throw new Error('broken');
  });
  await bus.start();

  await bus.publish(Note, { do: 'wait' });
  await bus.publish(Note, { do: 'fail' });
  await clock.advance('10s');
  await bus.stop();

  const ended = logger.lines.filter(({ fields }) => 'durationMs' in fields);
  const about = { subscription: 'notes', type: 'note', durationMs: 40.005 };
  assert.deepEqual(
    ended.map(({ level, fields }) => ({
      level,
      ...pick(fields, ['id', 'subscription', 'type', 'attempt', 'durationMs']),
    })),
    [
      ...(debugs ? [{ level: 'debug', id: 'm1', attempt: 1, ...about }] : []),
      { level: 'warn', id: 'm2', attempt: 1, ...about },
      { level: 'error', id: 'm2', attempt: 2, ...about },
    ],
  );
});

test('a line says first which attempt it is about, and what may have many lines last', async () => {
  const name = 'in order';
  const logger = recorder(false);
  const told = listenTo(name);
  await using bus = createBus({ engine: memory(), name, logger, handleSignals: false });
  bus.consume(Note, { name: 'notes', retry: { attempts: 2, backoff: fixed(1) } }, (_, ctx) => {
    ctx.log.warn('its own', { error: new Error('an own one'), attempt: 'none of theirs' });
    throw new Error('broken');
  });
  await bus.start();
  await bus.publish(Note, { do: 'fail' });
  await told.count('dead', 1);

  const about = ['id', 'type', 'subscription', 'attempt'];
  const lines = logger.lines.filter(({ level }) => level !== 'info');
  assert.deepEqual(
    lines.map(({ fields }) => Object.keys(fields)),
    [
      [...about, 'error'],
      [...about, 'durationMs', 'afterMs', 'failure'],
      [...about, 'error'],
      [...about, 'durationMs', 'reason', 'failure'],
    ],
  );
  assert.equal(lines[0]?.fields['attempt'], 1);
});

test('dead letters that go back by id are named, those of a subscription are counted', async () => {
  const name = 'sends-back';
  const told = listenTo(name);
  await using bus = createBus({ engine: memory(), name, logger: false, handleSignals: false });
  bus.consume(Note, { name: 'notes' }, (_, ctx) => ctx.deadLetter('no use'));
  await bus.start();
  const ids = Array.from({ length: 101 }, (_, index) => `m${index + 1}`);
  for (const id of ids) await bus.publish(Note, { do: 'die' }, { id });
  await told.count('dead', 101);
  await bus.subscriptions.pause('notes');

  await bus.dead.redrive('m1');
  await bus.dead.redrive(ids);
  await bus.dead.redrive({ subscription: 'notes' });

  const redriven = await told.count('redriven', 3);
  const kind = 'redriven';
  assert.deepEqual(
    redriven.map(({ at: _at, bus: _bus, ...fields }) => fields),
    [
      { kind, subscription: null, ids: ['m1'], messages: 1 },
      { kind, subscription: null, ids: ids.slice(0, 100), messages: 100 },
      { kind, subscription: 'notes', ids: [], messages: 0 },
    ],
  );
});

function pick(fields: Line['fields'], names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, fields[name]]));
}
