/**
 * The RabbitMQ engine on classic queues keeps the promises that it keeps on quorum queues: what a
 * server may do differently with them in every run, with `MALOTE_SEEDS=all` the whole suite.
 */
import { conformance } from '../../src/testing/conformance/suite.ts';
import { runCases } from '../rabbitmq/engine-cases.ts';
import { namespaces } from '../rabbitmq/namespace.ts';
import { overRabbitmq } from '../rabbitmq/over-rabbitmq.ts';
import { everySeed } from '../support/environment.ts';
import { seeds } from './seeds.ts';

/** Where what is given back stands, what was tried before, and what a queue confirms. */
const different = /^(order-|crash-|dead-block|redrive-opens|delay-survives|settled-|history-)/;

overRabbitmq((server) => {
  const all = namespaces(server);

  runCases({
    engine: () => all.engine({ queues: 'classic' }),
    cases: everySeed ? conformance : conformance.filter(({ id }) => different.test(id)),
    seeds: everySeed ? seeds : [1],
  });
});
