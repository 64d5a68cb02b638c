/**
 * Two workers of one subscription, one of which does not know a type of it, as while a new version
 * is rolled out: what it does not know it leaves to the other, and says so.
 */
import assert from 'node:assert/strict';
import { message } from 'malote';
import { memory } from 'malote/memory';
import { test } from 'vitest';
import { assembleBus, type TestableBus } from '../../src/runtime/create-bus.ts';
import { seededRandom, sequentialIds } from '../../src/testing/seeded.ts';
import { settleTurns, virtualClock } from '../../src/testing/virtual-clock.ts';
import { listenTo } from '../support/transitions.ts';

const Old = message<{ n: number }>('old', { orderBy: () => 'k' });
const New = message<{ n: number }>('new', { orderBy: () => 'k' });
const work = { name: 'work' } as const;

test.each(['lanes', 'partitions'] as const)(
  'a message of a type that a worker does not know goes back, attempt unspent: %s',
  async (shape) => {
    const clock = virtualClock();
    const engine = memory({ shape });
    const told = listenTo('older', 'newer');
    const lines: string[] = [];
    const start = (name: string): TestableBus<never> =>
      assembleBus<never>(
        { engine, name, handleSignals: false, logger: loggerInto(lines) },
        { clock, random: seededRandom(1), newId: sequentialIds(name), process: name },
      );
    const handled: string[] = [];
    const older = start('older');
    older.bus.consume(Old, work, ({ type, data }) => void handled.push(`older ${type} ${data.n}`));
    await older.bus.start();
    const newer = start('newer');
    await newer.bus.subscribe('work', [Old, New], { replace: true });

    const { id } = await newer.bus.publish(New, { n: 1 });
    await newer.bus.publish(Old, { n: 2 });
    await settleTurns(20);

    const released = told.all.filter(({ kind }) => kind === 'released');
    assert.deepEqual(
      released.map((event) => event.kind === 'released' && [event.id, event.why]),
      [[id, 'unknown-type']],
    );
    assert.ok(lines.some((line) => line.startsWith('warn ') && line.includes('unknown-type')));
    const [view] = await newer.bus.messages.get(id);
    assert.deepEqual([view?.state, view?.attempts], ['retrying', 0]);
    assert.equal(handled.length, 0, 'what is behind it in its key waits');

    const stopped = older.bus.stop();
    await clock.advance('1s');
    await stopped;
    newer.bus.consume([Old, New], work, ({ type, data }, { attempt }) => {
      handled.push(`newer ${type} ${data.n}, attempt ${attempt}`);
    });
    await newer.bus.start();
    await clock.advance('1m');

    assert.deepEqual(handled, ['newer new 1, attempt 1', 'newer old 2, attempt 1']);
    const ended = newer.bus.stop();
    await clock.advance('1s');
    await ended;
  },
);

function loggerInto(lines: string[]) {
  const at = (level: string) => (fields: object, text: string) => {
    lines.push(`${level} ${text} ${JSON.stringify(fields)}`);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
