/**
 * One process of the service. What it does is a matter of its roles; where rows and messages are,
 * of its settings; the code is the same.
 */
import { subscribe } from 'node:diagnostics_channel';
import { type Bus, createBus, type TransitionEvent, transitionChannel } from 'malote';
import type { SqliteTransaction } from 'malote/sqlite';
import { createApp } from './app.ts';
import { type Database, openDatabase } from './database.ts';
import { createExchange } from './exchange.ts';
import { endWithParent } from './end-with-parent.ts';
import { type Fetch, type Listening, listen } from './listen.ts';
import { logger, sayWhatHappens } from './log.ts';
import { answer, Problem } from './problem.ts';
import { createRates } from './rates-api.ts';
import { type Engines, enginesOf, type Settings } from './settings.ts';
import { welcome } from './welcome.ts';
import { consume } from './worker.ts';

/** `app` answers requests, `relay` moves outbox rows to the engine, `worker` handles messages. */
export type Role = 'app' | 'relay' | 'worker';
export const allRoles: readonly Role[] = ['app', 'relay', 'worker'];

interface Closable {
  close(): Promise<void>;
}

export async function serve(roles: readonly Role[], settings: Settings): Promise<void> {
  let fetch: Fetch = () => answer(new Problem(503, 'the service is starting'));
  // Listens first: where the port cannot be had, no file and no connection is left behind.
  const server = roles.includes('app') ? await listenOrExplain((r) => fetch(r), settings) : null;
  const { engine, store, file, cache } = enginesOf(settings);
  // The whole life of a payment can be looked up, where an engine finds a message by its id.
  const journal = engine.capabilities.lookup ? 'all' : 'exceptions';
  const relay = roles.includes('relay');
  const bus = createBus({ engine, store, relay, journal, logger, handleSignals: false });
  // The first transaction connects: malote makes the file, readable by its owner only.
  await bus.transaction(() => {});
  const database = openDatabase(file);
  const closing: Closable[] = server === null ? [] : [server];
  let stopping = false;

  subscribe(transitionChannel, (told) => {
    sayWhatHappens(told as TransitionEvent);
    endWhenOver(told as TransitionEvent);
  });
  if (roles.includes('worker')) {
    const ratesUrl = settings.ratesUrl ?? (server === null ? settings.ratesBeside : null);
    closing.push(await work({ bus, database, cache, ratesUrl }, settings));
  }
  // An application alone publishes to its own outbox, whether or not the engine is there.
  if (roles.includes('worker') || roles.includes('relay')) await bus.start();
  ({ fetch } = createApp({ bus, database, isStopping: () => stopping }));
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void stop());
  endWithParent(() => void stop());
  if (server === null) console.log(`${roles.join(' and ')} at work`);
  else welcome(`http://localhost:${server.port}`, settings);

  /** Refuses requests, finishes what runs, then closes; a second signal ends all at once. */
  async function stop(): Promise<void> {
    if (stopping) return;
    stopping = true;
    await bus.stop();
    await Promise.all(closing.map((one) => one.close()));
    database.close();
    console.log('stopped');
  }

  /** Such as when a file is deleted under the service: no later request could be served. */
  function endWhenOver(event: TransitionEvent): void {
    if (event.kind !== 'engine-failed') return;
    console.error(`${event.message} (${event.code}); start the service again`);
    process.exitCode = 1;
    void stop();
  }
}

interface Workplace {
  readonly bus: Bus<SqliteTransaction>;
  readonly database: Database;
  readonly cache: Engines['cache'];
  /** Null: a stand-in of its own, so that one process is all there is to start. */
  readonly ratesUrl: string | null;
}

/** Answers what is to be closed in the end. */
async function work(
  { bus, database, cache, ratesUrl }: Workplace,
  { ratesTtl, deadline }: Settings,
): Promise<Closable> {
  const rates = ratesUrl === null ? await listen(createRates({ delayMs: 50 }).fetch, 0) : null;
  const sharing =
    cache === null ? null : createBus({ engine: cache, logger, handleSignals: false });
  const url = ratesUrl ?? `http://localhost:${rates?.port}`;
  const exchange = createExchange(sharing ?? bus, { url, ttl: ratesTtl });
  consume({ bus, database, exchange, deadline });
  return {
    async close() {
      await Promise.all([rates?.close(), sharing?.stop()]);
    },
  };
}

async function listenOrExplain(fetch: Fetch, { port }: Settings): Promise<Listening> {
  try {
    return await listen(fetch, /^\d{1,5}$/.test(port) ? Number(port) : Number.NaN);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${code})`;
    console.error(`port ${port} ${problem}; choose another, as in: PORT=3001 npm start`);
    process.exit(1);
  }
}
