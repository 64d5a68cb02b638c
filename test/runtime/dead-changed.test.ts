/** What becomes of the dead changes while a process that was told otherwise is at work. */
import assert from 'node:assert/strict';
import { message } from 'malote';
import { testBus } from 'malote/testing';
import { describe, test } from 'vitest';

const Step = message<{ n: number }>('step', { orderBy: () => 'k' });

describe.each(['lanes', 'partitions'] as const)('%s', (shape) => {
  test.each([
    ['block', 'skip', [0, 1, 2, 3]],
    ['divert', 'skip', [0, 1, 2, 3]],
    ['skip', 'block', [0]],
    ['skip', 'divert', [0]],
  ] as const)('%s becomes %s: the handler follows', async (before, after, expected) => {
    const seen: number[] = [];
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => void (open = resolve));
    await using t = await testBus({
      shape,
      use: (bus) =>
        bus.consume(
          Step,
          { name: 's', onDead: before, concurrency: 10, retry: { attempts: 1 } },
          async ({ data }) => {
            seen.push(data.n);
            if (data.n > 0) return;
            await gate;
            throw new Error('refused');
          },
        ),
    });
    await t.publishMany(Step, [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }]);
    while (seen.length === 0) await new Promise((resolve) => void setImmediate(resolve));
    await t.subscribe('s', Step, { onDead: after });

    open();
    await t.settle();

    assert.deepEqual(seen, expected);
    assert.equal((await t.subscriptions.stats('s')).leased, 0);
  });
});
