/** What a user may say about the engine, checked once, and how large things may become. */

import { optionInvalid } from '../../errors.ts';
import { checkNames } from '../../message/checks.ts';
import { type Duration, toMs } from '../../message/duration.ts';
import { addressesOf } from './addresses.ts';

export interface RabbitmqOptions {
  /**
   * What every queue and exchange of malote begins with. Buses that share it share messages.
   * @defaultValue 'malote'
   */
  readonly namespace?: string;
  /**
   * `quorum`: an accepted message survives the loss of power. `classic`: it survives the death of
   * every process and of the server.
   * @defaultValue 'quorum'
   */
  readonly queues?: 'quorum' | 'classic';
  /**
   * Into how many partitions the keys of a subscription are spread, 1 to 1,024. The first
   * subscription of a namespace decides.
   * @defaultValue 8
   */
  readonly partitions?: number;
  /** How long a fact is kept after it was opened last. @defaultValue '30d' */
  readonly keepFacts?: Duration;
  /**
   * How long the server and this process wait for a sign of life, 1 s to 60 s.
   * @defaultValue '10s'
   */
  readonly heartbeat?: Duration;
  /**
   * What the TLS connection of an `amqps://` address needs beyond it, as `tls.connect` takes it: a
   * certificate authority, a certificate and key.
   * @defaultValue {}
   */
  readonly tls?: Readonly<Record<string, unknown>>;
}

export interface Settings {
  /** Of the servers of one cluster; at least one. */
  readonly urls: readonly string[];
  readonly namespace: string;
  readonly queues: 'quorum' | 'classic';
  readonly partitions: number;
  readonly keepFactsMs: number;
  readonly heartbeatSeconds: number;
  readonly tls: Readonly<Record<string, unknown>>;
  readonly limits: Limits;
}

/** How much of what is without a bound is taken at once; tests take less. */
export interface Limits {
  /** How much of a side queue is held before what may wait elsewhere does: see `overflow.ts`. */
  readonly away: number;
  /** And before nothing new is taken in. */
  readonly held: number;
  /**
   * How much of it may be there, and how many bytes, before what stands behind slow handlers makes
   * no room any more: see `spill.ts`.
   */
  readonly behind: number;
  readonly behindBytes: number;
  /** What an owner may have unacknowledged of a side queue, and of a main queue. */
  readonly side: number;
  readonly window: number;
  /** How many facts a namespace may hold. */
  readonly facts: number;
  /** For how long a stream may say nothing of what was stored in it; milliseconds. */
  readonly silentMs: number;
  /** How many dead letters one consumer is given, before the next one goes on. */
  readonly lookWindow: number;
  /** Dead letters that are sent back at once, and their bodies together. */
  readonly redriveLetters: number;
  readonly redriveBytes: number;
  /** Delays beyond it pass in queues of the server, what is left of them with the owner. */
  readonly longestHeldMs: number;
  /** Those queues, from the shortest to the longest. */
  readonly steps: readonly Step[];
}

/** A queue of the server in which messages stay for a time, and then go on. */
export interface Step {
  readonly ms: number;
  readonly name: string;
}

/** Body limit: what a server takes by default is larger, and grows to 128 MiB. */
export const maxBodyBytes: number = 16 * 2 ** 20;

/** Messages of a partition that may be in its owner at once, beside those it holds back. */
export const windowSize = 500;

/** The most the protocol allows: what is held back stays unacknowledged. */
export const wholeQueue = 65_535;

/** Messages of a partition whose names are remembered after they are done, at the least. */
export const mostRecent = 8_192;

/**
 * What is unacknowledged for longer is given back and taken anew: a server ends the connection of
 * who holds a message for its `consumer_timeout`, 30 minutes by default. Some minutes later for
 * some, so that not all goes at once.
 */
export const longestUnackedMs = 900_000;

/** A partition that is not read by then is begun anew, over a new connection. */
export const longestTakeOverMs = 60_000;

const laterSteps: readonly Step[] = [
  { ms: 10_000, name: '10s' },
  { ms: 60_000, name: '1m' },
  { ms: 600_000, name: '10m' },
  { ms: 3_600_000, name: '1h' },
  { ms: 21_600_000, name: '6h' },
  { ms: 86_400_000, name: '1d' },
];

export const usualLimits: Limits = {
  away: 45_000,
  held: 60_000,
  behind: 10_000,
  behindBytes: 32 * 2 ** 20,
  side: wholeQueue,
  window: windowSize,
  facts: 5_000_000,
  silentMs: 10_000,
  lookWindow: wholeQueue,
  redriveLetters: 10_000,
  redriveBytes: 64 * 2 ** 20,
  longestHeldMs: 600_000,
  steps: laterSteps,
};

const known = ['namespace', 'queues', 'partitions', 'keepFacts', 'heartbeat', 'tls'];

const namespacePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$/;

/** @throws MaloteError `OPTION_INVALID`, `OPTION_UNKNOWN` */
export function resolve(url: string | readonly string[], options: RabbitmqOptions): Settings {
  checkNames('rabbitmq()', options, known);
  const { namespace = 'malote', queues = 'quorum', partitions = 8, tls = {} } = options;
  if (!namespacePattern.test(namespace)) {
    const rule = '1 to 48 letters, digits, ".", "_" or "-"';
    throw optionInvalid('rabbitmq() namespace', rule, namespace);
  }
  if (queues !== 'quorum' && queues !== 'classic') {
    throw optionInvalid('rabbitmq() queues', '"quorum" or "classic"', queues);
  }
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > 1_024) {
    throw optionInvalid('rabbitmq() partitions', 'an integer from 1 to 1024', partitions);
  }
  const heartbeatMs = toMs(options.heartbeat ?? '10s', 'rabbitmq() heartbeat', 1_000);
  if (heartbeatMs > 60_000) {
    throw optionInvalid('rabbitmq() heartbeat', 'from 1s to 60s', options.heartbeat);
  }
  return {
    urls: addressesOf(url),
    namespace,
    queues,
    partitions,
    keepFactsMs: toMs(options.keepFacts ?? '30d', 'rabbitmq() keepFacts', 60_000),
    heartbeatSeconds: Math.round(heartbeatMs / 1_000),
    tls,
    limits: usualLimits,
  };
}
