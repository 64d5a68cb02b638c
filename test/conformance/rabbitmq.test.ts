/** The RabbitMQ engine keeps every promise it makes, over a real server of its own. */
import { runCases } from '../rabbitmq/engine-cases.ts';
import { namespaces } from '../rabbitmq/namespace.ts';
import { overRabbitmq } from '../rabbitmq/over-rabbitmq.ts';
import { seeds } from './seeds.ts';

overRabbitmq((server) => {
  runCases({ engine: namespaces(server).engine, seeds });
});
