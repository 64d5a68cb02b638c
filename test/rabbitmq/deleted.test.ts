/**
 * Queues that an operator deletes underfoot, each kind of them, while messages of every kind flow:
 * what was in it is lost, and nothing else is; it comes back, and nothing is stuck.
 */
import assert from 'node:assert/strict';
import { type Bus, createBus, MaloteError, message } from 'malote';
import { onTestFinished, test } from 'vitest';
import { lengthOf } from '../../src/transports/rabbitmq/topology.ts';
import { listenTo } from '../support/transitions.ts';
import { type Job, limits, partitions, placeOf, startLoad } from './deletion-load.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';
import { outside } from './outside.ts';

const timeout = 60_000;
const workers = ['first', 'second'];

interface Row {
  readonly queue: string;
  /** What may be in it at some time of its life. */
  readonly holds: (job: Job) => boolean;
}

const nothing = (): boolean => false;
const isLate = ({ kind }: Job): boolean => kind === 'late';
/** Waiting, tried again or delayed, it passes through the side queue of its place. */
const isHeldBack = ({ kind }: Job): boolean => kind !== 'plain' && kind !== 'foreign';

const rows: readonly Row[] = [
  { queue: 'q.work/p0', holds: (job) => job.key !== null && placeOf(job) === 0 },
  { queue: 'q.work/s0', holds: (job) => placeOf(job) === 0 && isHeldBack(job) },
  { queue: 'q.work/u', holds: ({ key }) => key === null },
  { queue: 'q.work/in', holds: ({ kind }) => kind === 'foreign' },
  { queue: 'q.work/dead', holds: ({ kind }) => kind === 'dies' },
  { queue: 'later.60ms', holds: isLate },
  { queue: 'later.250ms', holds: isLate },
  { queue: 'facts', holds: nothing },
  { queue: 'registry', holds: nothing },
  { queue: 'ledgers', holds: nothing },
  { queue: 'in.told', holds: nothing },
  { queue: 'session.<id>', holds: nothing },
];

overRabbitmq((server) => {
  const all = namespaces(server);

  /** Those of sessions belong to their connections: only on the server itself are they deleted. */
  async function dropSessions(prefix: string): Promise<void> {
    const own = `[Q || Q <- rabbit_amqqueue:list(), string:prefix(
      element(4, amqqueue:get_name(Q)), <<"${prefix}">>) =/= nomatch]`;
    const one = 'rabbit_amqqueue:delete(Q, false, false, <<"operator">>)';
    const deleted = await server().ctl('eval', `[${one} || Q <- ${own}].`);
    assert.ok(deleted.split('ok').length > workers.length, deleted);
  }

  async function drop(queue: string): Promise<void> {
    if (queue.endsWith('<id>')) {
      await dropSessions(queue.replace('<id>', ''));
      return;
    }
    const channel = await all.model.createChannel();
    await channel.deleteQueue(queue);
    await channel.close();
  }

  test.each(rows)('$queue is deleted: only what was in it is lost', { timeout }, async (row) => {
    const subject = all.engine({ partitions, heartbeat: '1s' }, limits);
    const them = await outside(server().url, subject.namespace);
    onTestFinished(async () => {
      await them.close();
      await subject.remove?.();
    });
    const told = listenTo(...workers);
    await using load = await startLoad({ subject, them, told, names: workers });
    const isCertain = (job: Job): boolean => job.isAfter || !row.holds(job);
    const dropping: Promise<void>[] = [];
    let wavesAfter = 0;

    await load.flow((waves) => {
      if (waves === 2 && dropping.length === 0) {
        dropping.push(drop(`${subject.namespace}.${row.queue}`).then(load.deleted));
      }
      if (load.accepted.at(-1)?.isAfter === true) wavesAfter += 1;
      return wavesAfter < 3;
    });
    await Promise.all(dropping);
    // What was opened before the deletion is to be opened again.
    if (row.queue === 'facts') await load.openAgain();
    await load.settled(isCertain);

    const lost = load.accepted.filter((job) => !load.isDone(job));
    console.log(`${row.queue}: ${load.accepted.length} accepted, ${lost.length} lost with it`);
    const dead = new Set<string>();
    for await (const { id } of lettersOf(load.bus)) dead.add(id);
    const buried = load.accepted.filter((job) => job.kind === 'dies' && isCertain(job));
    assert.deepEqual(
      buried.filter(({ n }) => !dead.has(`job ${n}`)),
      [],
    );
    assert.deepEqual(
      load.disorder((job) => !row.holds(job)),
      [],
    );
    if (row.queue === 'session.<id>') {
      const noticed = told.all.filter((one) => one.kind === 'engine-trouble');
      assert.ok(noticed.length >= workers.length, 'each begins anew, and says so');
    }
    // A server that was at work on the queue may fail with it, and end the connection; and a queue
    // on its way out refuses what it is given, as a full one does to what came in.
    const passing = ['ENGINE_UNREACHABLE', 'ENGINE_FAILED', 'INDETERMINATE', 'ENGINE_FULL'];
    for (const one of told.all) {
      if (one.kind === 'engine-trouble') assert.ok(passing.includes(one.code), one.message);
    }
  });

  const Unasked = message<number>('unasked');

  test('the queue of what nobody subscribes is deleted: what comes after it is kept again', {
    timeout,
  }, async () => {
    const subject = all.engine({ partitions });
    const bus = createBus({ engine: subject.make(), logger: false, handleSignals: false });
    onTestFinished(async () => {
      await bus.stop();
      await subject.remove?.();
    });
    for (const n of [1, 2]) await bus.publish(Unasked, n);
    await drop(`${subject.namespace}.kept`);
    const refused: unknown[] = [];
    for (const n of [3, 4]) await publishAgain(() => bus.publish(Unasked, n), refused);

    const handled: number[] = [];
    const all34 = new Promise<void>((resolve) => {
      bus.consume(Unasked, { name: 'late' }, ({ data }) => {
        if (handled.push(data) === 2) resolve();
      });
    });
    await bus.start();
    await all34;

    assert.deepEqual(new Set(handled), new Set([3, 4]));
    assert.ok(refused.length > 0, 'nobody was told');
    assert.deepEqual(new Set(refused), new Set(['ENGINE_FAILED']));
  });

  test('the queue of what came from outside for nobody is deleted: the first brings it back', {
    timeout,
  }, async () => {
    const subject = all.engine({ partitions });
    const them = await outside(server().url, subject.namespace);
    const bus = createBus({
      engine: subject.make(),
      name: 'telling',
      logger: false,
      handleSignals: false,
    });
    const late = createBus({ engine: subject.make(), logger: false, handleSignals: false });
    onTestFinished(async () => {
      await them.close();
      await bus.stop();
      await late.stop();
      await subject.remove?.();
    });
    const told = listenTo('telling');
    bus.consume(message<number>('asked'), { name: 'other' }, () => undefined);
    await bus.start();
    for (const n of [1, 2]) await them.publish('unasked', n);
    await told.count('kept', 1);
    await drop(`${subject.namespace}.in.kept`);
    const queue = `${subject.namespace}.in.kept`;
    // The first brings it back, for those behind it.
    while (!(await lengthOf(all.model, queue))?.messageCount) await them.publish('unasked', 3);
    await them.publish('unasked', 4);

    const handled: number[] = [];
    const last = new Promise<void>((resolve) => {
      late.consume(message<number>('unasked'), { name: 'late' }, ({ data }) => {
        handled.push(data);
        if (data === 4) resolve();
      });
    });
    await late.start();
    await last;

    assert.deepEqual(new Set(handled), new Set([3, 4]));
  });
});

/** All dead letters of a bus. */
async function* lettersOf(bus: Bus): AsyncGenerator<{ id: string }> {
  for (let cursor: string | null = null, isMore = true; isMore; isMore = cursor !== null) {
    const page = await bus.dead.list(cursor === null ? {} : { cursor });
    yield* page.items;
    cursor = page.next;
  }
}

/** Until it is accepted; notes the codes of those that were not. */
async function publishAgain(publish: () => Promise<unknown>, refused: unknown[]): Promise<void> {
  for (;;) {
    try {
      await publish();
      return;
    } catch (error) {
      if (!(error instanceof MaloteError)) throw error;
      refused.push(error.code);
    }
  }
}
