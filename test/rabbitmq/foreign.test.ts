/**
 * Programs without malote, here plain amqplib: they publish to one exchange and read from one, and
 * what they publish keeps its order, waits for its facts, and is never lost.
 */
import assert from 'node:assert/strict';
import { type Bus, createBus, dependency, message, type Received } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { onTestFinished, test } from 'vitest';
import { createFleet } from '../crash/fleet.ts';
import { listenTo } from '../support/transitions.ts';
import { type Note, Noted } from './child-reader.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';
import { type Outside, outside } from './outside.ts';

const timeout = 40_000;
const customer = dependency('customer');
const Paid = message<{ customerId: string; number: number }>('paid', {
  orderBy: ({ customerId }) => customerId,
  waitFor: ({ customerId }) => customer(customerId),
});
const Registered = message<{ customerId: string }>('registered', {
  orderBy: ({ customerId }) => customerId,
});
/** Accepts numbers alone, and then only those below ten. */
const Counted = message('counted', { schema: small(10), orderBy: (n) => String(n % 2) });

overRabbitmq((server) => {
  const all = namespaces(server);

  async function open(): Promise<{
    readonly namespace: string;
    readonly them: Outside;
    bus(name: string): Bus;
  }> {
    const subject = all.engine();
    const { namespace } = subject;
    const them = await outside(server().url, namespace);
    const buses: Bus[] = [];
    onTestFinished(async () => {
      await Promise.all(buses.map((bus) => bus.stop()));
      await them.close();
      await subject.remove?.();
    });
    return {
      namespace,
      them,
      bus(name) {
        const engine = rabbitmq(server().url, { namespace, partitions: 2 });
        const bus = createBus({ engine, name, logger: false });
        buses.push(bus);
        return bus;
      },
    };
  }

  test('what a plain producer publishes is handled in order per key, once its facts hold', {
    timeout,
  }, async () => {
    const { them, bus } = await open();
    const worker = bus('plain');
    const told = listenTo('plain');
    const handled: Received[] = [];
    const provides = (data: object): ReturnType<typeof customer> | undefined =>
      'number' in data ? undefined : customer((data as { customerId: string }).customerId);
    worker.consume([Paid, Registered], { name: 'ledger', provides }, (received) => {
      handled.push(received);
    });
    worker.consume(Registered, { name: 'crm', provides: (c) => customer(c.customerId) }, () => {});
    await worker.start();

    const customers = Array.from({ length: 10 }, (_, index) => `c${index}`);
    for (let number = 0; number < 20; number++) {
      for (const customerId of customers) {
        const headers = { tenant: 'north', 'cloudEvents:source': 'till' };
        const messageId = `${customerId}-${number}`;
        await them.publish('paid', { customerId, number }, { messageId, headers });
      }
    }
    await told.count('waiting', customers.length);
    assert.equal(handled.length, 0);
    await them.fulfil('customer:c0');
    for (const customerId of customers.slice(1)) await them.publish('registered', { customerId });
    await told.until((events) => ended(events, 'ledger') === 209);

    const payments = handled.filter(({ type }) => type === 'paid');
    for (const key of customers) {
      const numbers = payments.filter((one) => one.key === key).map(numberOf);
      assert.deepEqual(
        numbers,
        Array.from({ length: 20 }, (_, index) => index),
      );
    }
    assert.equal(payments[0]?.headers['tenant'], 'north');
    assert.ok(payments.every((one) => one.id === `${one.key}-${numberOf(one)}`));
  });

  test('a plain consumer reads what malote accepts, in order, with its attributes', {
    timeout,
  }, async () => {
    const { them, bus } = await open();
    const publisher = bus('publishing');
    await publisher.subscribe('ledger', [Paid]);
    const reading = await them.read('paid', 2);
    const ids: string[] = [];
    for (let number = 0; number < 50; number++) {
      const { id } = await publisher.publish(Paid, { customerId: 'c', number });
      ids.push(id);
    }

    const read = await reading(50);

    assert.deepEqual(
      read.map(({ properties }) => properties.messageId as string),
      ids,
    );
    assert.deepEqual(JSON.parse(read[7]!.content.toString()), { customerId: 'c', number: 7 });
    const { type, contentType, headers = {} } = read[7]!.properties;
    assert.deepEqual([type, contentType], ['paid', 'application/json']);
    assert.equal(headers['cloudEvents:partitionkey'], 'c');
    assert.equal(headers['cloudEvents:malotewaitfor'], '["customer:c"]');
  });

  test('a plain consumer reads once what another program publishes, sent on or not', {
    timeout,
  }, async () => {
    const { them, bus } = await open();
    const worker = bus('beside');
    const told = listenTo('beside');
    worker.consume(Noted, { name: 'notes' }, () => {});
    await worker.start();
    const reading = await them.read('noted', 2);
    await worker.publish(Noted, { key: 'k', number: 0 });
    await them.publish('noted', { key: 'k', number: 1 });
    await told.until((events) => ended(events, 'notes') === 2);
    await them.publish('noted', { key: 'k', number: 2 });

    const read = await reading(3);

    assert.deepEqual(
      read.map(({ content }) => (JSON.parse(content.toString()) as Note).number),
      [0, 1, 2],
    );
  });

  test('what does not fit goes to the dead letters, is told, holds nobody up, and may come back', {
    timeout,
  }, async () => {
    const { them, bus } = await open();
    const strict = bus('strict');
    const told = listenTo('strict', 'lenient');
    const handled: unknown[] = [];
    strict.consume(Counted, { name: 'counts' }, ({ data }) => void handled.push(data));
    await strict.start();
    const soon = { headers: { 'cloudEvents:malotedue': 'soon' } };

    await them.publish('counted', 1);
    await them.publish('counted', 11, { messageId: 'too much', headers: { tenant: 'n' } });
    await them.publish('counted', 2, { messageId: 'when', ...soon });
    await them.publishText('counted', '{', { messageId: 'broken' });
    await them.publish('counted', 3);
    await told.until((events) => ended(events, 'counts') === 2);
    const dead = await told.count('dead', 3);
    const { items } = await strict.dead.list({ subscription: 'counts' });
    await strict.stop();

    assert.deepEqual(handled, [1, 3]);
    assert.deepEqual(
      dead.map((event) => (event.kind === 'dead' ? [event.id, event.reason] : [])),
      [
        ['too much', 'invalid'],
        ['when', 'invalid'],
        ['broken', 'invalid'],
      ],
    );
    assert.deepEqual(
      items.map(({ id, attempts, lastFailure }) => [id, attempts, lastFailure?.code]),
      ['too much', 'when', 'broken'].map((id) => [id, 0, 'DATA_INVALID']),
    );

    const lenient = bus('lenient');
    const Wider = message('counted', { schema: small(20), orderBy: (n) => String(n % 2) });
    const again: Received[] = [];
    lenient.consume(Wider, { name: 'counts' }, (received) => void again.push(received));
    await lenient.start();
    await lenient.dead.redrive(['too much']);
    await told.until((events) => ended(events, 'counts') === 3);
    assert.deepEqual(
      again.map(({ id, data, key, headers }) => [id, data, key, headers['tenant']]),
      [['too much', 11, '1', 'n']],
    );
  });

  test('a type that nobody subscribes is kept, told, and adopted in order', {
    timeout,
  }, async () => {
    const { them, bus } = await open();
    const first = bus('first');
    const told = listenTo('first', 'second');
    first.consume(Registered, { name: 'crm' }, () => {});
    await first.start();
    for (let number = 0; number < 40; number++) {
      await them.publish('noted', { key: `k${number % 4}`, number }, { messageId: `n${number}` });
    }
    await them.publish('registered', { customerId: 'c' });
    await told.until((events) => ended(events, 'crm') === 1);
    await told.count('kept', 1);

    const second = bus('second');
    const handled: Note[] = [];
    second.consume(Noted, { name: 'notes', from: 'kept' }, ({ data }) => void handled.push(data));
    await second.start();
    await them.publish('noted', { key: 'k0', number: 40 });
    await told.until((events) => ended(events, 'notes') === 41);

    const kept = told.all.flatMap((event) => (event.kind === 'kept' ? [event.type] : []));
    assert.deepEqual(kept, ['noted']);
    assert.deepEqual(outOfOrder(handled), []);
    assert.equal(handled.length, 41);
  });

  test('a newer version waits for a process that knows it; known by nobody, it is dead', {
    timeout,
  }, async () => {
    const { them, bus } = await open();
    const options = { orderBy: (n: number) => String(n) };
    const newer = { headers: { 'cloudEvents:maloteheaders': '{"version":2}' } };
    const old = bus('old');
    const told = listenTo('old', 'new');
    const byOld: number[] = [];
    const byNew: number[] = [];
    const one = { name: 'counts', retry: { attempts: 1_000 } };
    old.consume(message<number>('counted', options), one, ({ data }) => void byOld.push(data));
    await old.start();

    await them.publish('counted', 1, { messageId: 'nobody', ...newer });
    await them.publish('counted', 2);
    const [dead] = await told.count('dead', 1);
    assert.equal(dead?.kind === 'dead' && dead.failure?.code, 'NOT_FOUND');
    await told.until((events) => ended(events, 'counts') === 1);

    const young = bus('new');
    const Newer = message<number>('counted', { ...options, version: 2, upcast: (n) => Number(n) });
    young.consume(Newer, one, ({ data }) => void byNew.push(data));
    await young.start();
    await them.publish('counted', 3, newer);
    await told.until(() => byNew.includes(3));
    assert.deepEqual(byOld, [2]);
  });

  test('a delay passes before the message joins its key', { timeout }, async () => {
    const { them, bus } = await open();
    const worker = bus('delaying');
    const told = listenTo('delaying');
    const handled: (readonly [number, number])[] = [];
    worker.consume(Noted, { name: 'notes' }, ({ data }) => {
      handled.push([data.number, Date.now()]);
    });
    await worker.start();
    const due = Date.now() + 400;
    const headers = { 'cloudEvents:malotedue': due };
    await them.publish('noted', { key: 'k', number: 1 }, { headers });
    await them.publish('noted', { key: 'k', number: 2 });
    await told.until((events) => ended(events, 'notes') === 2);

    assert.deepEqual(
      handled.map(([number]) => number),
      [2, 1],
    );
    assert.ok(handled[1]![1] >= due);
  });

  test('a queue that refuses more holds the ingress up, and loses and disorders nothing', {
    timeout,
  }, async () => {
    const count = 3_000;
    const { them, bus, namespace } = await open();
    const worker = bus('full');
    const told = listenTo('full');
    const handled: Note[] = [];
    worker.consume(Noted, { name: 'notes' }, async ({ data }) => void handled.push(data));
    await worker.start();
    // What stood behind a handler would be moved on to the side queue, and make room.
    await worker.subscriptions.pause('notes');
    const few = '{"max-length":300,"overflow":"reject-publish"}';
    const mains = `^${namespace}\\.q\\.notes/p`;
    await server().ctl('set_policy', 'few', mains, few, '--apply-to', 'queues');
    for (let number = 0; number < count; number++) {
      await them.publishSoon('noted', { key: `k${number % 2}`, number });
    }
    await them.confirmed();
    await told.until((events) =>
      events.some((event) => event.kind === 'engine-trouble' && event.code === 'ENGINE_FULL'),
    );
    await worker.subscriptions.resume('notes');
    await told.until((events) => ended(events, 'notes') === count);
    await server().ctl('clear_policy', 'few');

    assert.deepEqual(outOfOrder(handled), []);
  });

  test('killed between confirm and ack, it repeats what it had forwarded, and its order holds', {
    timeout,
  }, async () => {
    const { them, namespace } = await open();
    const fleet = createFleet();
    onTestFinished(() => fleet.end());
    const setup = { url: server().url, namespace };
    const connections = async (): Promise<number> =>
      (await server().ctl('list_connections', 'pid')).split('\n').length;
    const before = await connections();
    const first = fleet.start('../rabbitmq/child-reader.ts', 'first', {
      ...setup,
      diesAtAck: true,
    });
    await first.noticesOf('started', 1);
    const count = 300;
    for (let number = 0; number < count; number++) {
      const messageId = `n${number}`;
      await them.publishSoon('noted', { key: `k${number % 10}`, number }, { messageId });
    }
    await them.confirmed();
    const { signal } = await first.ended;
    // The server may still be reading what it was sent.
    while ((await connections()) > before) continue;
    const left = await them.returned('notes', { partitions: 2, count });

    const second = fleet.start('../rabbitmq/child-reader.ts', 'second', {
      ...setup,
      diesAtAck: false,
    });
    await second.notice(
      () => new Set(second.notices.filter(isHandled).map(({ label }) => label)).size === count,
    );

    assert.equal(signal, 'SIGKILL');
    assert.ok(left > 0 && left <= count, `${left} were forwarded before`);
    const handled = second.notices.filter(isHandled).map(({ label }) => noteOf(label!));
    assert.deepEqual(outOfOrder(firstOf(handled)), []);
    assert.ok(handled.length <= count + left, `${handled.length} were handled`);
  });
});

function isHandled({ kind }: { readonly kind: string }): boolean {
  return kind === 'handled';
}

function noteOf(label: string): Note {
  const [key = '', number] = label.split(' ');
  return { key, number: Number(number) };
}

function firstOf(notes: readonly Note[]): Note[] {
  return notes.filter(
    ({ number }, index) => notes.findIndex((one) => one.number === number) === index,
  );
}

function outOfOrder(notes: readonly Note[]): Note[] {
  const last = new Map<string, number>();
  return notes.filter(({ key, number }) => {
    const before = last.get(key) ?? -1;
    last.set(key, number);
    return number <= before;
  });
}

function numberOf({ data }: { readonly data: unknown }): number {
  return (data as { readonly number: number }).number;
}

function ended(events: ReturnType<typeof listenTo>['all'], subscription: string): number {
  return events.filter((event) => event.kind === 'acked' && event.subscription === subscription)
    .length;
}

function small(limit: number): NonNullable<ReturnType<typeof message<number>>['schema']> & object {
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value: unknown) =>
        typeof value === 'number' && value < limit
          ? { value }
          : { issues: [{ message: `not a number below ${limit}` }] },
    },
  } as never;
}
