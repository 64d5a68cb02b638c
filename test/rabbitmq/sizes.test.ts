/**
 * What is longer than a driver or a server takes: refused by its name where it is published, and
 * never the end of a connection, which would take the leases of everything else along.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  type Bus,
  createBus,
  dependency,
  fixed,
  type MaloteError,
  message,
  type TransitionEvent,
} from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { sqlite } from 'malote/sqlite';
import { onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { namespaces } from './namespace.ts';
import { type Outside, outside } from './outside.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const timeout = 60_000;
const folder = temporaryFolder();
const part = dependency('part');
/** Waits for as many facts as it says, with ids of 500 characters. */
const Built = message<{ parts: number }>('built', {
  orderBy: () => 'all',
  waitFor: ({ parts }) => longFacts(parts),
});
const Sent = message<{ name: string; text: string }>('sent', {
  orderBy: ({ name }) => name.slice(0, 1),
});
const Noted = message<{ text: string }>('noted', { orderBy: ({ text }) => text });

/** 512 characters, and three times as many bytes. */
const longId = '漢'.repeat(512);
const tooMany = 130;
/** What the server takes. */
const mostBytes = 100_000;

function longFacts(count: number): ReturnType<typeof part>[] {
  return Array.from({ length: count }, (_, index) => part(String(index).padStart(500, '0')));
}

function isUnsure(outcome: string): boolean {
  return outcome === 'accepted' || outcome === 'INDETERMINATE';
}

function isConnectionLost(event: TransitionEvent): boolean {
  return event.kind === 'engine-trouble' && event.code === 'ENGINE_UNREACHABLE';
}

overRabbitmq(
  (server) => {
    const all = namespaces(server);

    async function open(name: string): Promise<{ readonly bus: Bus; readonly them: Outside }> {
      const subject = all.engine();
      const { namespace } = subject;
      const engine = rabbitmq(server().url, { namespace, partitions: 2 });
      const bus = createBus({ engine, name, logger: false });
      const them = await outside(server().url, namespace);
      onTestFinished(async () => {
        await bus.stop();
        await them.close();
        await subject.remove?.();
      });
      return { bus, them };
    }

    test('what is too much beside a body is refused alone, and the rest of its batch is stored', {
      timeout,
    }, async () => {
      const { bus } = await open('batch');
      const told = listenTo('batch');
      const handled: number[] = [];
      bus.consume(Built, { name: 'works' }, ({ data }) => void handled.push(data.parts));
      await bus.start();

      const items = [0, tooMany, 1].map((parts) => ({ parts }));
      const results = await bus.publishMany(Built, items);
      await bus.fulfil(...longFacts(1));
      await told.count('acked', 2);

      assert.deepEqual(
        results.map((result) => (result.status === 'refused' ? result.error.code : result.status)),
        ['accepted', 'MESSAGE_TOO_LARGE', 'accepted'],
      );
      assert.deepEqual(handled, [0, 1]);
      assert.equal(told.all.some(isConnectionLost), false);
    });

    test('an id of 512 characters is kept through retries, death and return', {
      timeout,
    }, async () => {
      const { bus } = await open('long-id');
      const told = listenTo('long-id');
      const seen: string[] = [];
      let isWell = false;
      const retry = { attempts: 2, backoff: fixed(1) };
      bus.consume(Noted, { name: 'notes', retry }, ({ id }) => {
        seen.push(id);
        if (!isWell) throw new Error('not yet');
      });
      await bus.start();

      await bus.publish(Noted, { text: 'a' }, { id: longId });
      await told.count('dead', 1);
      const { items } = await bus.dead.list();
      isWell = true;
      await bus.dead.redrive(longId);
      await told.count('acked', 1);

      assert.deepEqual(
        items.map(({ id }) => id),
        [longId],
      );
      assert.deepEqual(seen, [longId, longId, longId]);
    });

    test('a message that fails a hundred times with long errors dies, and its neighbours live', {
      timeout,
    }, async () => {
      const { bus } = await open('history');
      const told = listenTo('history');
      const attempts = 110;
      let leave = (): void => undefined;
      const left = new Promise<void>((resolve) => (leave = resolve));
      bus.consume(
        Noted,
        { name: 'notes', retry: { attempts, backoff: fixed(1) } },
        async ({ data }) => {
          if (data.text === 'neighbour') await left;
          else throw new Error('漢'.repeat(1_000));
        },
      );
      await bus.start();

      await bus.publish(Noted, { text: 'neighbour' });
      await bus.publish(Noted, { text: 'fails' });
      const [dead] = await told.count('dead', 1);
      leave();
      const [acked] = await told.count('acked', 1);

      assert.equal(dead?.kind === 'dead' && dead.attempt, attempts);
      assert.equal(acked?.kind === 'acked' && acked.attempt, 1);
      assert.equal(told.all.some(isConnectionLost), false);
      const { items } = await bus.dead.list();
      assert.equal(items[0]?.attempts, attempts);
      assert.equal(items[0]?.lastFailure?.message, '漢'.repeat(1_000));
    });

    test('a handler may wait for more facts than fit into headers', { timeout }, async () => {
      const { bus } = await open('parked');
      const told = listenTo('parked');
      const bodies: string[] = [];
      bus.consume(Noted, { name: 'notes' }, ({ data }, ctx) => {
        bodies.push(data.text);
        if (bodies.length === 1) ctx.waitFor(...longFacts(tooMany));
      });
      await bus.start();

      await bus.publish(Noted, { text: 'waits' });
      await told.count('parked', 1);
      // It is on its way to the owner of its partition, who shows it.
      let { items } = await bus.waiting.list();
      while (items.length === 0) ({ items } = await bus.waiting.list());
      await bus.fulfil(...longFacts(tooMany));
      await told.count('acked', 1);

      assert.deepEqual(
        items.map(({ waitingFor }) => waitingFor.length),
        [tooMany],
      );
      assert.deepEqual(bodies, ['waits', 'waits']);
      assert.equal(told.all.some(isConnectionLost), false);
    });

    test('long ids and headers of programs without malote are taken, or become dead letters', {
      timeout,
    }, async () => {
      const { bus, them } = await open('foreign');
      const told = listenTo('foreign');
      const seen: string[] = [];
      const headers = { 'cloudEvents:malotewaitfor': JSON.stringify(textsOf(longFacts(100))) };
      // Declares the namespace.
      await bus.fulfil(part('any'));
      await them.publish('noted', { text: 'kept' }, { messageId: 'kept', headers });
      bus.consume(Noted, { name: 'notes', from: 'kept' }, ({ id }) => void seen.push(id));
      await bus.start();

      await them.publish('noted', { text: 'a' }, { headers: { 'cloudEvents:id': longId } });
      await them.publish('noted', { text: 'a' }, { messageId: 'unfit', headers });
      await them.publish('noted', { text: 'a' }, { messageId: 'behind' });
      await told.count('acked', 2);
      await told.count('dead', 1);

      assert.deepEqual(seen, [longId, 'behind']);
      const { items } = await bus.dead.list();
      assert.deepEqual(
        items.map(({ id, reason, lastFailure }) => [id, reason, lastFailure?.code]),
        ['kept', 'unfit'].map((id) => [id, 'invalid', 'MESSAGE_TOO_LARGE']),
      );
    });

    test('a body above the limit of the server is refused, and its neighbours keep their leases', {
      timeout,
    }, async () => {
      const { bus } = await open('limit');
      const told = listenTo('limit');
      const handled: string[] = [];
      let leave = (): void => undefined;
      const left = new Promise<void>((resolve) => (leave = resolve));
      bus.consume([Noted, Built], { name: 'notes' }, async ({ data }) => {
        if ('parts' in data) await left;
        else handled.push(data.text);
      });
      await bus.start();
      await bus.publish(Built, { parts: 0 });
      await told.count('started', 1);
      const publish = (text: string): Promise<string> =>
        bus.publish(Noted, { text }, { orderKey: 'k' }).then(
          () => 'accepted',
          (error: MaloteError) => error.code,
        );
      const numbers = Array.from({ length: 40 }, (_, index) => String(index));
      const large = 'x'.repeat(2 * mostBytes);

      const first = [...numbers.slice(0, 20), large, ...numbers.slice(20)].map(publish);
      const outcomes = await Promise.all(first);
      const again = await Promise.all([publish('40'), publish(large), publish('41')]);
      leave();
      const accepted = numbers.filter(
        (_, index) => outcomes[index < 20 ? index : index + 1] === 'accepted',
      );
      await told.until(() => [...accepted, '40', '41'].every((text) => handled.includes(text)));
      await told.until((events) =>
        events.some((event) => event.kind === 'acked' && event.type === 'built'),
      );

      assert.equal(outcomes[20], 'MESSAGE_TOO_LARGE');
      assert.deepEqual(
        outcomes.slice(0, 20).filter((one) => !isUnsure(one)),
        [],
      );
      assert.deepEqual(new Set(outcomes.slice(21)), new Set(['accepted']));
      assert.deepEqual(again, ['accepted', 'MESSAGE_TOO_LARGE', 'accepted']);
      assert.deepEqual(
        handled,
        handled.toSorted((a, b) => Number(a) - Number(b)),
      );
      const starts = told.all.filter(
        ({ kind, ...event }) => kind === 'started' && 'type' in event && event.type === 'built',
      );
      assert.equal(starts.length, 1);
      assert.deepEqual(
        told.all.filter(({ kind }) => kind === 'engine-trouble' || kind === 'lease-lost'),
        [],
      );
    });

    test('a relay buries what does not fit, and goes on behind it', { timeout }, async () => {
      const subject = all.engine();
      const file = join(folder, 'outbox.db');
      const db = new DatabaseSync(file);
      const settings = { name: 'relay', handleSignals: false, logger: false } as const;
      const told = listenTo('relay');
      const handled: number[] = [];
      const bus = createBus({ engine: subject.make(), store: sqlite(file), ...settings });
      bus.consume(Built, { name: 'works' }, ({ data }) => void handled.push(data.parts));
      await bus.start();

      db.exec('begin immediate');
      for (const parts of [0, tooMany, 1]) await bus.publish(Built, { parts }, { tx: db });
      db.exec('commit');
      await bus.fulfil(...longFacts(1));
      await told.count('acked', 2);
      await told.count('dead', 1);

      const { items } = await bus.outbox.dead.list();
      assert.deepEqual(
        items.map(({ reason, lastFailure }) => [reason, lastFailure?.name]),
        [['refused-by-target', 'MESSAGE_TOO_LARGE']],
      );
      assert.deepEqual(handled, [0, 1]);
      await bus.stop();
      db.close();
      await subject.remove?.();
    });

    test('a relay that blocks sends nothing behind what does not fit', { timeout }, async () => {
      const subject = all.engine();
      const file = join(folder, 'blocking.db');
      const settings = { name: 'blocking', handleSignals: false, logger: false } as const;
      const told = listenTo('blocking');
      const handled: string[] = [];
      const bus = createBus({
        engine: subject.make(),
        store: sqlite(file),
        relay: { onDead: 'block' },
        ...settings,
      });
      bus.consume(Sent, { name: 'letters' }, ({ data }) => void handled.push(data.name));
      await bus.start();
      const send = (...names: readonly string[]): Promise<void> =>
        bus.transaction(({ publish }) => {
          for (const name of names) {
            const text = name.endsWith('large') ? 'x'.repeat(2 * mostBytes) : '';
            publish(Sent, { name, text }, { id: name });
          }
        });

      // The first is refused by the server, with the channel; the second before it is sent.
      await send('a 1', 'a large', 'a 2', 'b 1');
      await told.count('blocked', 1);
      await send('c 1', 'c large', 'c 2', 'b 2');
      await told.count('blocked', 2);
      await told.count('acked', 4);

      assert.deepEqual(handled.toSorted(), ['a 1', 'b 1', 'b 2', 'c 1']);
      const { blockedKeys, waiting, dead } = await bus.outbox.stats();
      assert.deepEqual([blockedKeys.toSorted(), waiting, dead], [['a', 'c'], 2, 2]);
      assert.equal(await bus.messages.cancel('a large'), 'cancelled');
      assert.equal(await bus.messages.cancel('c large'), 'cancelled');
      await told.count('acked', 6);
      assert.deepEqual(handled.slice(4).toSorted(), ['a 2', 'c 2']);
      await bus.stop();
      await subject.remove?.();
    });
  },
  { settings: [`max_message_size = ${mostBytes}`] },
);

function textsOf(facts: readonly ReturnType<typeof part>[]): string[] {
  return facts.map(({ dependency: name, id }) => `${name}:${id}`);
}
