/** RabbitMQ with a store beside it keeps what is promised of keys and of waiting, over a server. */
import { runCases } from '../rabbitmq/engine-cases.ts';
import { namespaces } from '../rabbitmq/namespace.ts';
import { overRabbitmq } from '../rabbitmq/over-rabbitmq.ts';
import { besideStore } from '../support/beside.ts';
import { asked, keyed } from '../support/beside-cases.ts';
import { seeds } from './seeds.ts';

overRabbitmq((server) => {
  const all = namespaces(server);

  runCases({
    engine: () => besideStore(all.engine(), 'facts and keys'),
    cases: [...keyed, ...asked],
    seeds,
  });
});
