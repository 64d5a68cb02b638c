/**
 * What befalls a server while it is at work, but for its death: it runs out of memory, it stands
 * still, an operator closes its connections or deletes its queues. What was accepted is handled.
 */
import assert from 'node:assert/strict';
import amqp from 'amqplib';
import { test } from 'vitest';
import { type Bus, createBus, fixed, MaloteError, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { overRabbitmq } from './over-rabbitmq.ts';
import type { Server } from './server.ts';

interface Job {
  readonly number: number;
  /** Null where there is no order. */
  readonly key: string | null;
}

const jobAsked = message<Job>('job.asked', { orderBy: ({ key }) => key ?? 'none' });
const looseAsked = message<Job>('loose.asked');
const timeout = 90_000;

overRabbitmq((server) => {
  test('a server without memory blocks publishers, and nothing else', { timeout }, async () => {
    await using work = await startWork(server(), 'alarm');
    await work.publish(40);
    await work.settled();

    work.failNext(20);
    await work.publish(20);
    server().ctl('set_vm_memory_high_watermark', 'absolute', '1MB');
    const during = await work.publish(40);
    server().ctl('set_vm_memory_high_watermark', 'absolute', '512MB');
    const after = await work.publish(40);
    await work.settled();

    assert.deepEqual(
      during.filter((code) => code !== 'accepted' && code !== 'INDETERMINATE'),
      [],
    );
    assert.ok(during.includes('INDETERMINATE'), 'nothing was blocked');
    assert.deepEqual(new Set(after), new Set(['accepted']));
    assert.deepEqual(work.disorder(), []);
  });

  test('a server that stands still for a while goes on', { timeout }, async () => {
    await using work = await startWork(server(), 'still');
    await work.publish(40);
    process.kill(-server().pid, 'SIGSTOP');
    // The signal takes a moment to arrive.
    while (!(await work.publish(4)).includes('INDETERMINATE'));
    const during = await work.publish(40);
    process.kill(-server().pid, 'SIGCONT');
    await work.publishUntilAccepted();
    await work.settled();

    assert.ok(!during.includes('accepted'), 'the server answered in its sleep');
    assert.deepEqual(work.disorder(), []);
  });

  test('connections that an operator closes come back', { timeout }, async () => {
    await using work = await startWork(server(), 'closed');
    for (let round = 0; round < 3; round++) {
      const publishing = work.publish(200);
      server().ctl('close_all_connections', 'by the test');
      await publishing;
      await work.publishUntilAccepted();
      await work.settled();
    }

    assert.deepEqual(work.disorder(), []);
  });

  test.each(['s0'])(
    'a queue deleted underfoot comes back: %s',
    {
      timeout,
    },
    async (which) => {
      await using work = await startWork(server(), `deleted-${which}`);
      await work.publish(40);
      await work.settled();
      const model = await amqp.connect(server().url);
      model.on('error', () => undefined);
      const channel = await model.createChannel();

      await channel.deleteQueue(`deleted-${which}.q.work/${which}`);
      await work.publishUntilAccepted();
      await work.publish(40);
      await work.settled();

      await model.close();
      assert.deepEqual(work.disorder(), []);
    },
  );
});

interface Work extends AsyncDisposable {
  /** Publishes that many jobs with a key and as many without; answers what became of each. */
  publish(count: number): Promise<readonly string[]>;
  /** Publishes one job to each of many keys, again and again until all are accepted. */
  publishUntilAccepted(): Promise<void>;
  /** Resolves once everything accepted has been handled. */
  settled(): Promise<void>;
  /** The next handlers fail once. */
  failNext(count: number): void;
  /** Jobs whose first handling came before that of an older one of their key. */
  disorder(): readonly string[];
}

async function startWork({ url }: Server, namespace: string): Promise<Work> {
  const engine = rabbitmq(url, { namespace, partitions: 2, heartbeat: '1s' });
  const publisher = createBus({ engine, lease: '1s', logger: false });
  const worker = createBus({ engine, logger: false });
  const accepted: Job[] = [];
  const handled = new Map<number, number>();
  let changed: () => void = () => undefined;
  let failing = 0;
  let made = 0;
  worker.consume(
    [jobAsked, looseAsked],
    { name: 'work', order: 'key', retry: { attempts: 100, backoff: fixed(20) } },
    ({ data: { number } }) => {
      if (failing > 0) {
        failing -= 1;
        throw new Error('a handler that fails once');
      }
      if (!handled.has(number)) handled.set(number, handled.size);
      changed();
    },
  );
  await worker.start();

  async function publishOne(bus: Bus, isOrdered: boolean): Promise<string> {
    made += 1;
    const job = { number: made, key: isOrdered ? `key ${made % 16}` : null };
    try {
      await bus.publish(isOrdered ? jobAsked : looseAsked, job);
    } catch (error) {
      return error instanceof MaloteError ? error.code : String(error);
    }
    accepted.push(job);
    return 'accepted';
  }

  async function publish(count: number): Promise<string[]> {
    const all = Array.from({ length: 2 * count }, (_, index) =>
      publishOne(publisher, index % 2 === 0),
    );
    return await Promise.all(all);
  }

  return {
    publish,
    async publishUntilAccepted() {
      while ((await publish(32)).some((outcome) => outcome !== 'accepted'));
    },
    async settled() {
      while (!accepted.every(({ number }) => handled.has(number))) {
        await new Promise<void>((resolve) => (changed = resolve));
      }
    },
    failNext(count) {
      failing = count;
    },
    disorder: () => disorderIn(accepted, handled),
    async [Symbol.asyncDispose]() {
      await Promise.all([publisher.stop(), worker.stop()]);
    },
  };
}

function disorderIn(accepted: readonly Job[], handled: ReadonlyMap<number, number>): string[] {
  const last = new Map<string, Job>();
  return accepted
    .toSorted((a, b) => a.number - b.number)
    .flatMap((job) => {
      if (job.key === null) return [];
      const before = last.get(job.key);
      last.set(job.key, job);
      if (before === undefined) return [];
      if (handled.get(before.number)! < handled.get(job.number)!) return [];
      return [`${job.number} before ${before.number}`];
    });
}
