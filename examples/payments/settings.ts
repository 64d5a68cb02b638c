/**
 * How a process of the service runs, from its environment. The `MALOTE_…` say where things
 * are; whatever they say, the code is the same.
 *
 *     MALOTE_ENGINE    messages: sqlite:path (sqlite:data/malote.db) or amqp://user:password@host
 *     MALOTE_NAMESPACE on RabbitMQ (payments): what shares one shares its messages
 *     MALOTE_STORE     customers, payments, outbox, inbox: sqlite:path (sqlite:data/payments.db)
 *     MALOTE_CACHE     exchange rates: sqlite:path (where the messages are, else in the store)
 *     PORT, RATES_TTL (1m), PAYMENT_DEADLINE (24h): how long a payment waits
 *     RATES_URL        all in one: a stand-in inside; a worker of its own: where `npm run rates` is
 */
import type { BusOptions, Duration, Engine } from 'malote';
import { sqlite, type SqliteTransaction } from 'malote/sqlite';
import { engineNamed, sqliteFile } from '../engine.ts';
import { usualRatesPort } from './rates-api.ts';

export interface Settings {
  readonly engine: string;
  /** Of the messages, on RabbitMQ. */
  readonly namespace: string;
  readonly store: string;
  readonly cache: string | null;
  readonly port: string;
  /** Null where it was not given. */
  readonly ratesUrl: string | null;
  /** Where `npm run rates` listens, with the same environment. */
  readonly ratesBeside: string;
  readonly ratesTtl: Duration;
  /** How long a payment waits for its customer. */
  readonly deadline: Duration;
}

export function readSettings(environment: NodeJS.ProcessEnv = process.env): Settings {
  return {
    engine: environment['MALOTE_ENGINE'] ?? 'sqlite:data/malote.db',
    namespace: environment['MALOTE_NAMESPACE'] ?? 'payments',
    store: environment['MALOTE_STORE'] ?? 'sqlite:data/payments.db',
    cache: environment['MALOTE_CACHE'] ?? null,
    port: environment['PORT'] ?? '3000',
    ratesUrl: environment['RATES_URL'] ?? null,
    ratesBeside: `http://localhost:${environment['RATES_PORT'] ?? usualRatesPort}`,
    ratesTtl: durationIn(environment, 'RATES_TTL', '1m'),
    deadline: durationIn(environment, 'PAYMENT_DEADLINE', '24h'),
  };
}

function durationIn(env: NodeJS.ProcessEnv, variable: string, usual: Duration): Duration {
  const text = env[variable] ?? usual;
  // Of its range malote judges.
  if (/^\d{1,15}(\.\d{1,6})?(ms|s|m|h|d)$/.test(String(text))) return text as Duration;
  console.error(`${variable} must be a duration such as 30s, 5m or 24h, got "${text}"`);
  process.exit(1);
}

export interface Engines {
  readonly engine: BusOptions<never>['engine'];
  readonly store: Engine<SqliteTransaction>;
  /** The store's file, for the tables of the service. */
  readonly file: string;
  readonly cache: Engine<SqliteTransaction> | null;
}

/** Makes the folders of their files. */
export function enginesOf({ engine, namespace, store, cache }: Settings): Engines {
  const file = sqliteFile(store, 'MALOTE_STORE');
  return {
    engine: engineNamed(engine, namespace),
    store: sqlite(file),
    file,
    cache: cache === null ? null : sqlite(sqliteFile(cache, 'MALOTE_CACHE')),
  };
}
