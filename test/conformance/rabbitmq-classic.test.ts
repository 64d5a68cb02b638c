/**
 * The RabbitMQ engine on classic queues keeps the promises that it keeps on quorum queues: what a
 * server may do differently with them in every run, with `MALOTE_SEEDS=all` the whole suite.
 */
import { runConformance } from 'malote/testing';
import { test, vi } from 'vitest';
import { conformance } from '../../src/testing/conformance/suite.ts';
import { namespaces } from '../rabbitmq/namespace.ts';
import { overRabbitmq } from '../rabbitmq/over-rabbitmq.ts';
import { everySeed } from '../support/environment.ts';
import { seeds } from './seeds.ts';

// As in rabbitmq.test.ts.
vi.setConfig({ testTimeout: 90_000 });

/** Where what is given back stands, what was tried before, and what a queue confirms. */
const different = /^(order-|crash-|dead-block|redrive-opens|delay-survives|settled-|history-)/;

overRabbitmq((server) => {
  const all = namespaces(server);

  runConformance({
    engine: () => all.engine({ queues: 'classic' }),
    cases: everySeed ? conformance : conformance.filter(({ id }) => different.test(id)),
    test,
    seeds: everySeed ? seeds : [1],
    patience: { virtualMs: 1_500, realMs: 4_000, quietMs: 40 },
  });
});
