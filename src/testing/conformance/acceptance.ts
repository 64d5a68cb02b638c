/** G1: what becomes of a message between its acceptance and its first delivery. */

import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.ts';
import { drain, idsByKey, plain } from './flow.ts';
import { ack, idsOf, messages, numbered, usualTopic } from './settlements.ts';

export const acceptance: readonly ConformanceCase[] = [
  {
    id: 'accepted-survives-publisher',
    promise: 'G1',
    title: 'an accepted message is delivered although its publisher died right after',
    needs: {},
    async run(harness) {
      const { consumer } = await harness.start();
      const publisher = await harness.open();
      const ids = numbered('m', 20);
      await publisher.publish(...messages(null, ids));
      publisher.abandon();

      const received = await consumer.receive(20);

      assert.deepEqual(idsOf(received).toSorted(), ids.toSorted());
    },
  },
  {
    id: 'accepted-kept-told',
    promise: 'G1',
    title: 'whoever publishes is told that nobody subscribes the topic yet, and only then',
    needs: {},
    async run(harness) {
      const connection = await harness.open();
      await connection.subscribe({ name: 'other', topics: ['other'] });

      const batch = [{ id: 'a' }, { id: 'b', delayMs: 60_000 }, { id: 'c', topic: 'other' }];
      const before = await connection.offer(...batch);
      await connection.subscribe({});
      const after = await connection.offer({ id: 'd' });

      const kept = { kind: 'stored', kept: true };
      assert.deepEqual(before, [kept, kept, { kind: 'stored' }]);
      assert.deepEqual(after, [{ kind: 'stored' }]);
    },
  },
  {
    id: 'accepted-survives-consumers',
    promise: 'G1',
    title: 'a message is kept until it is acknowledged, however many consumers die with it',
    needs: {},
    async run(harness) {
      const first = await harness.start();
      await first.connection.publish({ id: 'm', key: 'k' });
      let connection = first.connection;
      let consumer = first.consumer;

      for (let attempt = 1; attempt <= 4; attempt++) {
        const delivery = await consumer.one();
        assert.deepEqual([delivery.id, delivery.attempt], ['m', attempt]);
        await harness.crash(connection);
        connection = await harness.open();
        consumer = connection.consume();
      }
    },
  },
  {
    id: 'accepted-while-crashing',
    promise: 'G1',
    title: 'a publish that answered before its process died is kept, whatever was under way',
    needs: {},
    async run(harness) {
      const { consumer } = await harness.start();
      const publisher = await harness.open();
      const accepted: string[] = [];
      const offers = numbered('m', 10).map(async (id) => {
        const [outcome] = await publisher.offer({ id });
        if (outcome?.kind === 'stored') accepted.push(id);
      });
      await offers[0];
      const before = [...accepted];
      publisher.abandon();
      await Promise.allSettled(offers);

      consumer.grant(10);
      await consumer.next(before.length);
      await harness.quiet();

      const came = idsOf(consumer.received);
      assert.equal(new Set(came).size, came.length, 'nothing comes twice');
      assert.deepEqual(
        accepted.filter((id) => !came.includes(id)),
        [],
      );
    },
  },
  {
    id: 'accepted-without-subscription',
    promise: 'G1',
    title: 'a topic without a subscription keeps its messages, in order, for the first one',
    needs: {},
    async run(harness) {
      const publisher = await harness.open();
      await publisher.publish(...messages('k', ['a', 'b']), ...messages('other', ['x']));
      await publisher.publish(...messages('k', ['c']));

      await harness.crash(publisher);
      const received = await drain(await harness.start(), 4);

      assert.deepEqual(idsByKey(received), { k: ['a', 'b', 'c'], other: ['x'] });
    },
  },
  {
    id: 'body-and-headers-equal',
    promise: 'G1',
    title: 'a body comes out as it went in: text as text, bytes as bytes, empty ones included',
    needs: {},
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const headers = '{"correlation":"ação 🧾"}';

      for (const [index, body] of bodies().entries()) {
        await connection.publish({ id: `m${index}`, key: 'k', body, headers });
        const delivery = await consumer.one();
        assert.deepEqual(
          { body: plain(delivery.body), headers: delivery.headers, topic: delivery.topic },
          { body, headers, topic: usualTopic },
        );
        await connection.settled(ack(delivery));
      }
    },
  },
  {
    id: 'body-at-the-limit',
    promise: 'G1',
    title: 'a body of one mebibyte is accepted and comes out whole',
    needs: { maxBodyBytes: 1_048_576 },
    async run(harness) {
      const { connection, consumer } = await harness.start();
      const text = 'm'.repeat(1_048_576);
      const bytes = new Uint8Array(1_048_576).map((_, index) => index % 251);
      await connection.publish(
        { id: 'text', key: 'k', body: text },
        { id: 'bytes', key: 'k', body: bytes },
      );

      const first = await consumer.one();
      assert.ok(first.body === text, 'the text should be equal');
      await connection.settled(ack(first));
      const second = await consumer.one();
      assert.equal(Buffer.compare(second.body as Uint8Array, bytes), 0);
    },
  },
];

function bodies(): (string | Uint8Array)[] {
  return [
    'plain',
    '',
    'ünïcode 漢字 🧨 \u0000 \u2028 "quoted" \\ \n\r\t',
    '{"amount":"12.50"}',
    new Uint8Array(),
    Uint8Array.from({ length: 256 }, (_, index) => index),
    Uint8Array.of(0xff, 0xfe, 0x00, 0xc3, 0x28),
  ];
}
