/** RabbitMQ with a store beside it keeps what is promised of keys and of waiting, over a server. */
import { runConformance } from 'malote/testing';
import { test, vi } from 'vitest';
import { namespaces } from '../rabbitmq/namespace.ts';
import { overRabbitmq } from '../rabbitmq/over-rabbitmq.ts';
import { besideStore } from '../support/beside.ts';
import { asked, keyed } from '../support/beside-cases.ts';
import { seeds } from './seeds.ts';

vi.setConfig({ testTimeout: 90_000 });

overRabbitmq((server) => {
  const all = namespaces(server);

  runConformance({
    engine: () => besideStore(all.engine(), 'facts and keys'),
    cases: [...keyed, ...asked],
    test,
    seeds,
    patience: { virtualMs: 1_500, realMs: 4_000, quietMs: 40 },
  });
});
