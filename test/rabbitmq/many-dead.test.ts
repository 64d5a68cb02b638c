/**
 * More dead letters than one consumer is given at once: seen whole, sent back whole, and none is
 * taken for alive. The limits of the engine are small here; the protocol is the same.
 */
import assert from 'node:assert/strict';
import type { ConformanceCase } from 'malote/testing';
import { deadLetters } from '../../src/testing/conformance/dead-letters.ts';
import { drain } from '../../src/testing/conformance/flow.ts';
import type { Started } from '../../src/testing/conformance/harness.ts';
import { redrives } from '../../src/testing/conformance/redrive.ts';
import { selectiveRedrives } from '../../src/testing/conformance/redrive-some.ts';
import {
  deadLetter,
  idsOf,
  messages,
  numbered,
  outgoing,
} from '../../src/testing/conformance/settlements.ts';
import type { Sending } from '../../src/transports/rabbitmq/publisher.ts';
import { partitionOf } from '../../src/transports/rabbitmq/names.ts';
import {
  recordOf,
  sendingOf,
  type DeadNote,
  type Turn,
} from '../../src/transports/rabbitmq/wire-format.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const window = 8;
const limits = { lookWindow: window, redriveLetters: 5, redriveBytes: 1_000 };

/** Lets so many die, each of a key of its own. Answers them in the order of their deaths. */
async function bury({ connection, consumer }: Started, count: number): Promise<string[]> {
  await connection.publish(...numbered('d', count).map((id) => ({ id, key: id })));
  const deliveries = await consumer.receive(count);
  await connection.settled(...deliveries.map((delivery) => deadLetter(delivery)));
  return idsOf(deliveries);
}

function noteOf(note: Partial<DeadNote>): DeadNote {
  return {
    ...({ kind: 'dead', stamp: '', turn: null, key: null, reason: 'diverted' } as const),
    ...{ attempts: 0, diedAt: 0, story: null, heard: [], isShutting: false, isForeign: false },
    ...{ life: null, ...note },
  };
}

overRabbitmq((server) => {
  const all = namespaces(server);

  async function put(...sendings: readonly Sending[]): Promise<void> {
    const channel = await all.model.createConfirmChannel();
    for (const { exchange, key, body, properties } of sendings) {
      channel.publish(exchange, key, body, properties);
    }
    await channel.waitForConfirms();
    await channel.close();
  }

  const cases: readonly ConformanceCase[] = [
    ...deadLetters,
    // A thousand of them would be read anew for every five.
    ...redrives.filter(({ id }) => id !== 'redrive-all'),
    ...selectiveRedrives,
    {
      id: 'dead-in-windows',
      promise: 'G8',
      title: 'many dead letters are listed page by page, each once, and sent back, each once',
      needs: {},
      async run(harness) {
        const started = await harness.start();
        const { connection } = started;
        const ids = await bury(started, 5 * window + 3);

        const listed: string[] = [];
        for (let cursor: string | null = null, isMore = true; isMore; isMore = cursor !== null) {
          const query = { subscription: null, id: null, cursor, limit: 7 };
          const page = await connection.store.dead(query);
          listed.push(...idsOf(page.items));
          cursor = page.next;
        }
        assert.deepEqual(listed, ids);

        const query = { all: true, subscription: 'billing' } as const;
        assert.equal(await connection.store.redrive(query), ids.length);
        assert.equal(await connection.store.redrive(query), 0);
        assert.deepEqual(idsOf(await drain(started, ids.length)).toSorted(), ids.toSorted());
      },
    },
    {
      id: 'dead-behind-the-window',
      promise: 'G8',
      title: 'a message that died with its owner stays dead, however many died before it',
      needs: {},
      async run(harness) {
        const first = await harness.start({ onDead: 'block' });
        await bury(first, 3 * window);
        await first.connection.publish(...messages('k', ['m']));
        await first.connection.settled(deadLetter(await first.consumer.one()));
        await first.connection.close();
        // Its owner died before it had acknowledged what it had buried: both are there.
        const side = `${all.namespace}.q.billing/s${partitionOf('k', 2)}`;
        const message = outgoing({ id: 'm', key: 'k' });
        const acceptedAt = harness.clock.now();
        await put(sendingOf({ exchange: '', key: side, message, acceptedAt }));

        const connection = await harness.open();
        const consumer = connection.consume();
        consumer.grant(5);
        await consumer.nothing();

        const query = { ids: ['m'], subscription: null };
        assert.equal(await connection.store.redrive(query), 1);
        assert.deepEqual(idsOf(await consumer.next(1)), ['m']);
        await consumer.nothing();
      },
    },
    {
      id: 'dead-stored-twice',
      promise: 'G8',
      title: 'a death that was stored twice is one dead letter, its last one',
      needs: {},
      async run(harness) {
        const { connection, consumer } = await harness.start();
        await connection.publish({ id: 'm' });
        await connection.settled(deadLetter(await consumer.one()));
        const dead = (stamp: string, reason: string) => noteOf({ stamp, reason, attempts: 3 });
        const [older, newer] = [dead('0', 'invalid'), dead('9', 'crashed')];
        const at = { exchange: '', key: `${all.namespace}.q.billing/dead`, acceptedAt: 0 };
        const message = outgoing({ id: 'm' });
        for (const one of [newer, older]) await put(sendingOf({ ...at, message, note: one }));

        const query = { subscription: null, id: null, cursor: null, limit: 10 };
        const { items } = await connection.store.dead(query);

        assert.deepEqual(
          items.map(({ id, reason }) => [id, reason]),
          [['m', 'crashed']],
        );
        assert.equal(await connection.store.redrive({ all: true, subscription: 'billing' }), 1);
      },
    },
    {
      id: 'diverted-stored-twice',
      promise: 'G5',
      title: 'what a death has diverted twice keeps its place among the dead letters of its key',
      needs: {},
      async run(harness) {
        const { connection, consumer } = await harness.start();
        const at = { exchange: '', key: `${all.namespace}.q.billing/dead`, acceptedAt: 0 };
        const diverted = (id: string, turn: Turn, life: string | null = null): Sending => {
          const stamp = turn.join('-');
          const note = noteOf({ stamp, turn, key: 'k', isShutting: true, life });
          return sendingOf({ ...at, message: outgoing({ id, key: 'k' }), note });
        };
        // The next owner found the first one in its hands, and the second nowhere but here.
        await put(diverted('first', [1, 1]), diverted('second', [1, 2]), diverted('first', [2, 1]));
        // These came back, but for a letter that was left, and were diverted anew.
        await put(diverted('fourth', [1, 4]));
        await put(diverted('third', [3, 1], '1-3'), diverted('fourth', [3, 2], '1-4'));

        await connection.store.redrive({ all: true, subscription: 'billing' });

        const came = await drain({ connection, consumer }, 4);
        assert.deepEqual(idsOf(came), ['first', 'second', 'third', 'fourth']);
      },
    },
    {
      id: 'dead-markers-left',
      promise: 'G8',
      title: 'whoever dies while it looks leaves nothing that is shown or counted for good',
      needs: {},
      async run(harness) {
        const { connection } = await harness.start();
        const queue = `${all.namespace}.q.billing/dead`;
        await put(recordOf(queue, { kind: 'mark', by: 'nobody' }, 'left behind'));

        const query = { subscription: null, id: null, cursor: null, limit: 10 };
        assert.deepEqual((await connection.store.dead(query)).items, []);

        assert.equal((await connection.view()).stats.dead, 0);
      },
    },
  ];

  runCases({ engine: () => all.engine({}, limits), cases });
});
