/**
 * `rabbitmq(url)`: the engine that lives on a RabbitMQ server, 3.10 or later, without a plugin and
 * without a database.
 */

import type { Engine } from '../../transport/transport.ts';
import { engineOf } from './engine.ts';
import { resolve, type RabbitmqOptions } from './settings.ts';

export type { RabbitmqOptions } from './settings.ts';

/**
 * Messages on a RabbitMQ server. Needs the package `amqplib`.
 *
 * @param url - `amqp://user:password@host:port/vhost`, or `amqps://` for TLS; of a cluster, a list:
 * each connection begins at one of them by chance, and goes on with the next where one is away
 * @throws MaloteError `OPTION_INVALID`, `OPTION_UNKNOWN`
 */
export function rabbitmq(url: string | readonly string[], options: RabbitmqOptions = {}): Engine {
  return engineOf(resolve(url, options));
}
