/**
 * What an owner wrote that was none any more reaches the queue behind the token of the next one.
 * The next one is cut off before the server has heard that it is of no use, and a third is given
 * all of it.
 */
import assert from 'node:assert/strict';
import type { ChannelModel } from 'amqplib';
import type { ConformanceCase } from 'malote/testing';
import type { Harness } from '../../src/testing/conformance/harness.ts';
import {
  ack,
  idsOf,
  messages,
  outgoing,
  retry,
  usualTopic,
} from '../../src/testing/conformance/settlements.ts';
import type { Delivery } from '../../src/transport/transport.ts';
import { adopted } from '../../src/transports/rabbitmq/adopt.ts';
import {
  arrivedOf,
  recordOf,
  sendingOf,
  type Arrived,
  type CopyNote,
  type DeadNote,
  type Note,
  type ShutNote,
} from '../../src/transports/rabbitmq/wire-format.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

/** The first owner has this one; the token that the subscription made has the one before. */
const epoch = 1;
const fresh: CopyNote = { ...adopted(1), version: 1, epoch };

const dead: DeadNote = {
  kind: 'dead',
  stamp: '0000000000000001-0000000000000001-hand',
  turn: [epoch, 1],
  key: 'k',
  reason: 'attempts-exhausted',
  attempts: 1,
  diedAt: 1,
  story: null,
  heard: [],
  isShutting: true,
  isForeign: false,
  life: null,
};
const back = { version: 0, epoch: null, order: null } as const;
const shutBy = (id: string, by: number): ShutNote => {
  return { kind: 'shut', epoch: by, key: 'k', state: 'blocked', id, topic: usualTopic };
};

/** The queues of the only partition, by hand. */
interface Queues {
  /** Takes what is new away, and puts each of it into the side queue, in these states. */
  copy(...states: readonly (readonly [id: string, note: Partial<CopyNote>])[]): Promise<void>;
  record(note: Note, body?: Buffer): Promise<void>;
  /** Stores a dead letter of the key. */
  bury(id: string): Promise<void>;
}

async function queuesOf(model: ChannelModel, namespace: string): Promise<Queues> {
  const [main, side] = ['p0', 's0'].map((queue) => `${namespace}.q.billing/${queue}`);
  const channel = await model.createConfirmChannel();
  async function send(sending: ReturnType<typeof recordOf>, body = sending.body): Promise<void> {
    channel.publish('', sending.key, body, { persistent: true, ...sending.properties });
    await channel.waitForConfirms();
  }
  return {
    async copy(...states) {
      const ids = new Set(states.map(([id]) => id));
      const taken = await takeAway(model, main!, ids.size);
      for (const [id, given] of states) {
        const { message, acceptedAt } = taken.get(id)!;
        const note = { ...fresh, ...given };
        await send(sendingOf({ exchange: '', key: side!, message, acceptedAt, note }));
      }
    },
    record: (note, body) => send(recordOf(side!, note, JSON.stringify(note)), body),
    async bury(id) {
      const key = `${namespace}.q.billing/dead`;
      const message = outgoing({ id, key: 'k' });
      await send(sendingOf({ exchange: '', key, message, acceptedAt: 1, note: dead }));
    },
  };
}

/** Everything that is in a queue, by its id. */
async function takeAway(
  model: ChannelModel,
  queue: string,
  count: number,
): Promise<ReadonlyMap<string, Arrived>> {
  const channel = await model.createChannel();
  const taken = new Map<string, Arrived>();
  await new Promise<void>((resolve, reject) => {
    channel
      .consume(queue, (one) => {
        const arrived = arrivedOf(one!, 0);
        taken.set(arrived.message.id, arrived);
        if (taken.size === count) resolve();
      })
      .catch(reject);
  });
  channel.ackAll();
  await channel.close();
  return taken;
}

function epochOf({ lease }: Delivery): number {
  return Math.floor((lease.token - 2 ** 52) / 2 ** 31);
}

const casesOf = (queues: () => Promise<Queues>): readonly ConformanceCase[] => {
  /** One owner has died, and left its token and these messages of one key. */
  const left = async (harness: Harness, ids: readonly string[]): Promise<Queues> => {
    const { connection } = await harness.start({ onDead: 'block' });
    await connection.publish(...messages('k', ids));
    await harness.until(
      () => connection.events.some(({ kind }) => kind === 'partition-taken'),
      () => 'nobody has taken the partition',
    );
    await harness.crash(connection);
    return await queues();
  };
  return [
    {
      id: 'late-copy',
      promise: 'G5',
      title: 'the state of a message is the one of the last owner, and so is its place',
      needs: {},
      async run(harness) {
        const by = await left(harness, ['m1', 'm2']);
        await by.copy(
          ['m1', { epoch: epoch - 1, order: 57, attempt: 9 }],
          ['m1', { order: 1 }],
          ['m2', { order: 2 }],
        );

        const { connection, consumer } = await harness.start({ onDead: 'block' });
        const all = await consumer.receive(2);
        assert.deepEqual([idsOf(all), all[0]!.attempt], [['m1', 'm2'], 1]);
        await connection.settled(...all.map((one) => ack(one)));
        await consumer.nothing();
      },
    },
    {
      id: 'late-copy-before-the-token',
      promise: 'G5',
      title: 'of two states of a message the one of the later owner counts',
      needs: {},
      async run(harness) {
        const by = await left(harness, ['m1', 'm2']);
        const later = epoch + 1;
        await by.copy(
          ['m1', { order: 57, attempt: 9, version: 3 }],
          ['m1', { epoch: later, order: 1 }],
          ['m2', { epoch: later, order: 2 }],
        );

        const { consumer } = await harness.start({ onDead: 'block' });
        const all = await consumer.receive(2);
        assert.deepEqual([idsOf(all), all[0]!.attempt], [['m1', 'm2'], 1]);
      },
    },
    {
      id: 'late-shut',
      promise: 'G5',
      title: 'a key is not held shut by a death that was never told of',
      needs: {},
      async run(harness) {
        const by = await left(harness, ['m1']);
        await by.record(shutBy('m0', epoch - 1));

        const { consumer } = await harness.start({ onDead: 'block' });
        assert.equal((await consumer.one()).id, 'm1');
      },
    },
    {
      id: 'late-shut-of-the-dead',
      promise: 'G5',
      title: 'a key is held shut by a death that was stored, whenever that was told of',
      needs: {},
      async run(harness) {
        const by = await left(harness, ['m0', 'm1']);
        await by.record(shutBy('m0', epoch - 1));
        await by.bury('m0');

        const { consumer } = await harness.start({ onDead: 'block' });
        consumer.grant(2);
        await consumer.nothing();
      },
    },
    {
      id: 'death-not-stored',
      promise: 'G5',
      title:
        'what was dying when its owner died keeps its place, also with the owner after the next',
      needs: {},
      async run(harness) {
        const by = await left(harness, ['m1', 'm2']);
        await by.copy(['m1', { order: 1 }], ['m2', { order: 2 }]);
        await by.record(shutBy('m1', epoch));
        const second = await harness.start({ onDead: 'block' });
        const one = await second.consumer.one();
        await second.connection.settled(retry(one, 300));
        await harness.crash(second.connection);

        const { consumer } = await harness.start({ onDead: 'block' });
        assert.deepEqual([one.id, (await consumer.one()).id], ['m1', 'm1']);
      },
    },
    {
      id: 'late-copy-of-the-redriven',
      promise: 'G5',
      title: 'who comes back from the dead lives anew, and in its place, whatever was left of it',
      needs: {},
      async run(harness) {
        const by = await left(harness, ['m1', 'm2', 'm3']);
        await by.record({ ...shutBy('m1', epoch), state: 'diverting' });
        await by.copy(
          ['m2', { order: 2, version: 3, attempt: 3 }],
          ['m1', { ...back, returned: '1' }],
          ['m2', { ...back, returned: '2' }],
          ['m3', { ...back, returned: '3' }],
        );
        await by.record({ kind: 'open', key: 'k', upTo: [epoch, 3] });

        const { connection, consumer } = await harness.start({ onDead: 'divert' });
        const came: [string, number][] = [];
        for (let count = 0; count < 3; count++) {
          const one = await consumer.one();
          came.push([one.id, one.attempt]);
          await connection.settled(ack(one));
        }
        assert.deepEqual(came, [
          ['m1', 1],
          ['m2', 1],
          ['m3', 1],
        ]);
      },
    },
    {
      id: 'back-from-away',
      promise: 'G8',
      title: 'what was sent away for a while comes back as it was, whoever owns its partition then',
      needs: {},
      async run(harness) {
        const by = await left(harness, ['m1']);
        const away = { epoch: epoch - 1, attempt: 6, order: null, isAway: true } as const;
        await by.copy(['m1', away]);

        const { consumer } = await harness.start({ onDead: 'block' });
        assert.equal((await consumer.one()).attempt, 6);
      },
    },
    {
      id: 'another-token',
      promise: 'G1',
      title: 'an owner that is given a higher token begins anew: what it writes would be late',
      needs: {},
      async run(harness) {
        const { connection, consumer } = await harness.start();
        await connection.publish(...messages('k', ['m1']));
        await consumer.one();
        await (await queues()).record({ kind: 'token', epoch: 60_000, by: 'hand' });

        assert.ok(epochOf(await consumer.one()) > 60_000);
      },
    },
    {
      id: 'late-token',
      promise: 'G8',
      title: 'every owner has a higher epoch than those before it, whichever tokens they left',
      needs: {},
      async run(harness) {
        const by = await left(harness, ['m1']);
        // So much is not read in one go: the owner has written its own token by then.
        await by.record({ kind: 'mark', by: 'hand' }, Buffer.alloc(4_000_000));
        await by.record({ kind: 'token', epoch: 7, by: 'hand' });

        const { consumer } = await harness.start({ onDead: 'block' });
        assert.equal(epochOf(await consumer.one()), 8);
      },
    },
  ];
};

overRabbitmq((server) => {
  const all = namespaces(server);
  const cases = casesOf(() => queuesOf(all.model, all.namespace));
  runCases({ engine: () => all.engine({ partitions: 1 }), cases });
});
