/**
 * What befalls a server while it is at work, but for its death: it runs out of memory, it stands
 * still, an operator closes its connections. What was accepted is handled.
 */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { type Bus, createBus, fixed, MaloteError, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { listenTo } from '../support/transitions.ts';
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
const concurrency = 10;

overRabbitmq((server) => {
  test('a server without memory for longer than leases blocks publishers, and nothing else', {
    timeout,
  }, async () => {
    await using work = await startWork(server(), 'alarm');
    await work.publish(40);
    await work.settled();
    const goOn = work.hold();
    await work.publish(40);
    await work.held();

    await server().ctl('set_vm_memory_high_watermark', 'absolute', '1MB');
    // Each ends with a lease of its publisher: together they are longer than one of the worker.
    const during = [];
    for (let round = 0; round < 3; round++) during.push(...(await work.publish(4)));
    work.failNext(4);
    goOn();
    await work.acked(80 + 36);
    const handled = work.runs();
    const since = performance.now();
    await server().ctl('set_vm_memory_high_watermark', 'absolute', '512MB');
    await work.publishUntilAccepted();
    await work.settled();

    const tookMs = Math.round(performance.now() - since);
    console.log(`${handled} runs during the alarm; all was well again after ${tookMs} ms`);
    assert.deepEqual(
      during.filter((code) => code !== 'accepted' && code !== 'INDETERMINATE'),
      [],
    );
    assert.ok(during.includes('INDETERMINATE'), 'nothing was blocked');
    assert.deepEqual(work.disorder(), []);
    // Each once, and those that failed once more: no connection was lost, no lease was over.
    assert.deepEqual([work.twice(), work.troubles()], [[], []]);
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
      await server().ctl('close_all_connections', 'by the test');
      await publishing;
      await work.publishUntilAccepted();
      await work.settled();
    }

    assert.deepEqual(work.disorder(), []);
  });
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
  /** Handlers wait until what it answers is called. */
  hold(): () => void;
  /** Resolves once as many handlers wait as may run at once. */
  held(): Promise<void>;
  /** Resolves once that many were acknowledged. */
  acked(count: number): Promise<void>;
  /** How often handlers ran. */
  runs(): number;
  /** Jobs that were handled well more than once. */
  twice(): readonly number[];
  /** What the worker said of its engine. */
  troubles(): readonly string[];
  /** Jobs whose first handling came before that of an older one of their key. */
  disorder(): readonly string[];
}

async function startWork({ url }: Server, namespace: string): Promise<Work> {
  const engine = rabbitmq(url, { namespace, partitions: 2, heartbeat: '1s' });
  const publisher = createBus({ engine, lease: '1s', logger: false });
  const worker = createBus({ engine, name: namespace, lease: '2s', logger: false });
  const told = listenTo(namespace);
  const accepted: Job[] = [];
  const handled = new Map<number, number>();
  let changed: () => void = () => undefined;
  const twice: number[] = [];
  let gate: Promise<void> | null = null;
  let running = 0;
  let runs = 0;
  let failing = 0;
  let made = 0;
  worker.consume(
    [jobAsked, looseAsked],
    { name: 'work', order: 'key', concurrency, retry: { attempts: 100, backoff: fixed(20) } },
    async ({ data: { number } }) => {
      runs += 1;
      running += 1;
      changed();
      if (gate !== null) await gate;
      running -= 1;
      if (failing > 0) {
        failing -= 1;
        throw new Error('a handler that fails once');
      }
      if (handled.has(number)) twice.push(number);
      else handled.set(number, handled.size);
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
    hold() {
      let open: () => void = () => undefined;
      gate = new Promise((resolve) => (open = resolve));
      return () => {
        gate = null;
        open();
      };
    },
    async held() {
      while (running < concurrency) await new Promise<void>((resolve) => (changed = resolve));
    },
    async acked(count) {
      await told.count('acked', count);
    },
    runs: () => runs,
    twice: () => twice,
    troubles: () =>
      told.all.flatMap((event) => (event.kind === 'engine-trouble' ? [event.message] : [])),
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
