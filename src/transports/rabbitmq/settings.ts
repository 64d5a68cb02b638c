/** What a user may say about the engine, checked once, and how large things may become. */

import { optionInvalid, optionUnknown } from '../../errors.ts';
import { type Duration, toMs } from '../../message/duration.ts';

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
  /** How long a fact is kept. @defaultValue '30d' */
  readonly keepFacts?: Duration;
  /** How long the server and this process wait for a sign of life, 1 s to 60 s. @defaultValue '10s' */
  readonly heartbeat?: Duration;
  /**
   * What the TLS connection of an `amqps://` address needs beyond it, as `tls.connect` takes it: a
   * certificate authority, a certificate and key.
   * @defaultValue {}
   */
  readonly tls?: Readonly<Record<string, unknown>>;
}

export interface Settings {
  readonly url: string;
  readonly namespace: string;
  readonly queues: 'quorum' | 'classic';
  readonly partitions: number;
  readonly keepFactsMs: number;
  readonly heartbeatSeconds: number;
  readonly tls: Readonly<Record<string, unknown>>;
}

/** Body limit: what a server takes by default is larger, and grows to 128 MiB. */
export const maxBodyBytes: number = 16 * 2 ** 20;

/** Messages of a partition that may be in its owner at once, beside those it holds back. */
export const windowSize = 500;

/** The most the protocol allows: what is held back stays unacknowledged. */
export const wholeQueue = 65_535;

/** More than this in one side queue is not taken in: the queue before it holds the rest. */
export const mostHeld = 60_000;

/** Delays beyond it wait in a queue of the server, the rest of them with the owner. */
export const longestHeldMs = 600_000;

const known = ['namespace', 'queues', 'partitions', 'keepFacts', 'heartbeat', 'tls'];
const namespacePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$/;

/** @throws MaloteError `OPTION_INVALID`, `OPTION_UNKNOWN` */
export function resolve(url: string, options: RabbitmqOptions): Settings {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw optionUnknown('rabbitmq()', name, known);
  }
  const { namespace = 'malote', queues = 'quorum', partitions = 8, tls = {} } = options;
  if (typeof url !== 'string' || !/^amqps?:\/\//.test(url)) {
    throw optionInvalid(
      'rabbitmq() url',
      'an address like amqp://user:password@host/vhost',
      hide(url),
    );
  }
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
    url,
    namespace,
    queues,
    partitions,
    keepFactsMs: toMs(options.keepFacts ?? '30d', 'rabbitmq() keepFacts', 60_000),
    heartbeatSeconds: Math.round(heartbeatMs / 1_000),
    tls,
  };
}

/** Equal for engines that reach the same messages, whoever they log in as. */
export function addressOf({ url, namespace }: Settings): string {
  const { hostname, port, pathname, protocol } = new URL(url);
  const usual = protocol === 'amqps:' ? '5671' : '5672';
  return `rabbitmq:${hostname}:${port === '' ? usual : port}${pathname}#${namespace}`;
}

/** An address as an error may show it: without its password. */
export function hide(url: unknown): string {
  return String(url).replace(/\/\/([^:@/]*):[^@/]*@/, '//$1:…@');
}
