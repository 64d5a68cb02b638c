/**
 * `rabbitmq(url)`: the engine that lives on a RabbitMQ server, 3.10 or later, without a plugin and
 * without a database.
 */

import type { Capabilities } from '../../transport/capabilities.ts';
import type { Engine } from '../../transport/transport.ts';
import { openTransport } from './open.ts';
import { addressOf, maxBodyBytes, resolve, type RabbitmqOptions } from './settings.ts';

export type { RabbitmqOptions } from './settings.ts';

/**
 * Messages on a RabbitMQ server. Needs the package `amqplib`.
 *
 * @param url - `amqp://user:password@host:port/vhost`, or `amqps://` for TLS
 * @throws MaloteError `OPTION_INVALID`, `OPTION_UNKNOWN`
 */
export function rabbitmq(url: string, options: RabbitmqOptions = {}): Engine {
  const settings = resolve(url, options);
  const capabilities: Capabilities = {
    delivery: 'partitions',
    lease: 'connection',
    fencing: false,
    dedupe: false,
    atomicSettle: false,
    survives: settings.queues === 'quorum' ? 'power-loss' : 'process-crash',
    processes: 'many',
    transactions: false,
    maxBodyBytes,
    coordination: false,
    lookup: false,
    counts: 'estimate',
  };
  return {
    name: 'rabbitmq',
    address: addressOf(settings),
    capabilities,
    open: (host) => openTransport(settings, host),
  };
}
