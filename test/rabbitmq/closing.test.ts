/**
 * A connection that is lost where a channel is being closed: the driver never answers that call,
 * and nobody may wait for it for ever.
 */
import assert from 'node:assert/strict';
import { message } from 'malote';
import { test } from 'vitest';
import { behind, codeOf, startAgain } from './behind.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const Note = message<{ readonly n: number }>('note');
/** Class and method, as they stand in a frame. */
const closing = Buffer.from([0, 20, 0, 40]);

overRabbitmq((server) => {
  test.each([1, 2, 3, 4])('a start that loses it at close %i begins anew', async (which) => {
    const { bus, proxy, arm } = await behind(server(), { which, call: closing });
    const handled = new Promise<number>((resolve) => {
      bus.consume(Note, { name: 'notes' }, ({ data }) => resolve(data.n));
    });
    arm();

    await startAgain(bus);
    await bus.publish(Note, { n: which });

    assert.equal(await handled, which);
    await bus.stop();
    await proxy.close();
  });

  test('a look, a change and a long delay each answer', async () => {
    const { bus, proxy, arm } = await behind(server(), { which: 1, call: closing });
    await bus.subscribe('notes', Note);
    const calls = [
      () => bus.subscriptions.list(),
      () => bus.dead.list(),
      () => bus.waiting.list(),
      () => bus.subscriptions.pause('notes'),
      () => bus.publish(Note, { n: 1 }, { delay: '11m' }),
    ];
    for (const call of calls) {
      arm();
      const code = await call().then(() => 'answered', codeOf);
      assert.match(code, /^(answered|INDETERMINATE|ENGINE_UNREACHABLE)$/);
    }
    await bus.stop();
    await proxy.close();
  });
});
