/** Whatever happens in one turn of the event loop shares a commit, counted at the driver. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { type Bus, message } from 'malote';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { settleTurns } from '../../src/testing/virtual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { placeIn } from './places.ts';

const folder = temporaryFolder();
const Ordered = message<{ n: number }>('ordered', { orderBy: ({ n }) => String(n) });
const Loose = message<{ n: number }>('loose');
const many = 500;
const numbers = Array.from({ length: many }, (_, n) => n);
/** So long that nothing is written meanwhile for its sake. */
const lease = 3_600_000;

let commits = 0;
const { exec } = DatabaseSync.prototype;

beforeEach(() => {
  const reading = new WeakSet<DatabaseSync>();
  DatabaseSync.prototype.exec = function (text) {
    if (text === 'begin') reading.add(this);
    if (text === 'commit' && !reading.delete(this)) commits += 1;
    exec.call(this, text);
  };
});

afterEach(() => {
  DatabaseSync.prototype.exec = exec;
});

test.each([Ordered, Loose])(
  'publishes of one turn, and acks of one turn, take a commit or two',
  async (type) => {
    const place = placeIn(folder, 'together');
    await using bus = place.make({ lease });
    const gate = openLater(many);
    bus.consume(type, { name: 'reader', concurrency: many }, gate.pass);
    await bus.subscribe('reader', type);

    commits = 0;
    await Promise.all(numbers.map((n) => bus.publish(type, { n })));
    const forPublishes = commits;
    await bus.start();
    await gate.isFull;
    commits = 0;
    gate.open();
    await untilDone(bus, 'reader', many);

    assert.ok(forPublishes >= 1 && forPublishes <= 2, `${forPublishes} commits for the publishes`);
    assert.ok(commits >= 1 && commits <= 3, `${commits} commits for the acks`);
  },
);

describe.each(['apart', 'together'] as const)('files %s', (shape) => {
  test('effects of a hundred handlers of one turn take a few commits', async () => {
    const place = placeIn(folder, shape);
    await using bus = place.make({ lease });
    const gate = openLater(100);
    bus.consume(Loose, { name: 'ledger', inbox: true, concurrency: 100 }, async ({ data }, ctx) => {
      await gate.pass();
      await ctx.transaction(({ tx }) => {
        tx.prepare('insert into effect (what) values (?)').run(String(data.n));
      });
    });
    await bus.start();
    await bus.publishMany(
      Loose,
      numbers.slice(0, 100).map((n) => ({ n })),
    );
    await gate.isFull;

    commits = 0;
    gate.open();
    await untilDone(bus, 'ledger', 100);

    expect(commits).toBeGreaterThan(0);
    expect(commits).toBeLessThan(10);
    assert.equal(new Set(place.effects()).size, 100);
  });
});

async function untilDone(
  { subscriptions }: Pick<Bus, 'subscriptions'>,
  name: string,
  count: number,
): Promise<void> {
  while ((await subscriptions.stats(name)).done < count) await settleTurns(1);
}

/** Handlers that have to be there all at once before any goes on. */
function openLater(count: number): {
  readonly isFull: Promise<void>;
  pass(): Promise<void>;
  open(): void;
} {
  let open = (): void => undefined;
  const isOpen = new Promise<void>((resolve) => void (open = resolve));
  let fill = (): void => undefined;
  const isFull = new Promise<void>((resolve) => void (fill = resolve));
  let inside = 0;
  return {
    isFull,
    open,
    pass() {
      inside += 1;
      if (inside === count) fill();
      return isOpen;
    },
  };
}
