/**
 * A task queue: a bounded queue whose publisher waits for room, a fixed pool of workers, retries
 * with growing delays, and dead letters. Ctrl+C lets running tasks finish.
 *
 *     WORKERS=3 TASKS=10 MAX_ATTEMPTS=3 npm run task-queue
 *
 * `MALOTE_ENGINE=sqlite:data/tasks.db` keeps the tasks in a file; nothing below changes.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createBus, exponential } from 'malote';
import { engineOf, orExplain } from '../engine.ts';
import { followRun } from './run.ts';
import { settingsFrom } from './settings.ts';
import { Task, taskOf, work } from './tasks.ts';

const { workers, tasks, maxAttempts, capacity, seed, ...settings } = settingsFrom(process.env);
const engine = await engineOf(settings.engine, 'task-queue');
const bus = createBus({ engine, logger: false, handleSignals: false });

bus.consume(
  Task,
  {
    name: 'workers',
    concurrency: workers,
    maxDepth: capacity,
    retry: { attempts: maxAttempts, backoff: exponential('50ms', { max: '1s', jitter: 'equal' }) },
  },
  (msg, { attempt, signal }) => work(msg.data, { seed, attempt, signal }),
);
await orExplain(bus.start());

const stopping = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stopping.abort());

console.log(`${tasks} tasks for ${workers} workers, at most ${capacity} queued, seed ${seed}`);
const runId = randomUUID().slice(0, 8);
const run = followRun(runId);
await publishAll(stopping.signal);
await Promise.race([run.ended(tasks), aborted(stopping.signal)]);

await bus.stop();
await printDeadLetters();
console.log(`tasks ${tasks}, done ${run.done}, dead ${run.dead}`);

/** While the queue is full each publish waits for room, or for the signal. */
async function publishAll(signal: AbortSignal): Promise<void> {
  for (let number = 1; number <= tasks && !signal.aborted; number++) {
    const task = taskOf(runId, number);
    await bus.publish(Task, task, { id: task.id, signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

/** Dead letters stay with the engine when a bus has stopped; any other bus can read them. */
async function printDeadLetters(): Promise<void> {
  await using reader = createBus({ engine });
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof reader.dead.list>> = await reader.dead.list({ cursor });
    for (const { id, reason, attempts, lastFailure } of page.items) {
      if (!id.startsWith(runId)) continue;
      const number = id.slice(runId.length + 1);
      console.log(`dead: task ${number}, ${reason} (${attempts}), ${lastFailure?.message}`);
    }
    cursor = page.next;
  } while (cursor !== null);
}

// 10 tasks for 3 workers, at most 5 queued, seed 2
// …
// dead: task 1, attempts-exhausted (3), the invoice service is down
// tasks 10, done 9, dead 1
