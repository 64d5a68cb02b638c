/**
 * A queue limit that was set on the server refuses messages one by one, and takes the next as soon
 * as somebody has made room: what a relay forwards keeps the order of its key all the same. Of
 * several queues that a message leads to, one refuses it, and the others have it.
 */
import assert from 'node:assert/strict';
import { createBus, type MaloteError, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import type { ConformanceCase, EngineUnderTest } from 'malote/testing';
import { test } from 'vitest';
import { listenTo } from '../support/transitions.ts';
import { drain } from '../../src/testing/conformance/flow.ts';
import { idsOf, numbered, outgoing } from '../../src/testing/conformance/settlements.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const Counted = message<{ number: number }>('counted');
const total = 600;
const limits = { window: 20 };
const limit = { 'max-length': 20, overflow: 'reject-publish' };

overRabbitmq((server) => {
  const all = namespaces(server);

  for (const queues of ['quorum', 'classic'] as const) {
    const forwarded: ConformanceCase = {
      id: `refused-by-the-server-${queues}`,
      promise: 'G5',
      title: `${queues} queues with a limit: behind a refused message nothing of its key is stored`,
      needs: {},
      async run(harness) {
        const started = await harness.start();
        const { connection } = started;
        const { namespace } = all;
        const pattern = `^${namespace}\\.q\\..*/p`;
        await server().ctl('set_policy', namespace, pattern, JSON.stringify(limit));
        const ids = numbered('m', total);
        let left = ids.map((id) => outgoing({ id, key: 'k' }));
        /** How many of them were stored; nothing may be behind one that was not. */
        const forward = async (): Promise<number> => {
          const kinds = (await connection.queue.forward(left)).map(({ kind }) => kind);
          const stored = kinds.filter((kind) => kind === 'stored').length;
          assert.ok(kinds.slice(stored).every((kind) => kind === 'indeterminate'));
          left = left.slice(stored);
          return stored;
        };

        // Nobody asks for messages: the window of their owner fills, then their queue.
        while ((await forward()) > 0);
        assert.ok(left.length > total / 2, 'nothing was refused');
        const draining = drain(started, total);
        while (left.length > 0) await forward();

        assert.deepEqual(idsOf(await draining), ids);
      },
    };
    const engine = (): EngineUnderTest => all.engine({ queues, partitions: 1 }, limits);
    runCases({ engine, cases: [forwarded], realMs: 12_000, quietMs: 60 });
  }

  test('what one subscription has no room for is in the other one, and is called so', async () => {
    const engine = rabbitmq(server().url, { namespace: 'two' });
    const bus = createBus({ engine, name: 'two', logger: false });
    await bus.subscribe('full', Counted);
    bus.consume(Counted, { name: 'roomy' }, () => undefined);
    const heard = listenTo('two');
    await bus.start();
    await server().ctl('set_policy', 'two', '^two\\.q\\.full/u', JSON.stringify(limit));

    let failure: MaloteError | null = null;
    for (let number = 1; failure === null && number <= 1_000; number++) {
      failure = await bus.publish(Counted, { number }).then(
        () => null,
        (error: unknown) => error as MaloteError,
      );
    }
    assert.ok(failure !== null, 'nothing was refused');
    const { id, code, message: said } = failure;
    assert.deepEqual([code, /others .* may have it/.test(said)], ['INDETERMINATE', true]);
    await heard.until((told) => told.some((event) => event.kind === 'acked' && event.id === id));
    await bus.stop();
  });
});
