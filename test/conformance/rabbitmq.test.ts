/** The RabbitMQ engine keeps every promise it makes, over a real server of its own. */
import { runConformance } from 'malote/testing';
import { test, vi } from 'vitest';
import { namespaces } from '../rabbitmq/namespace.ts';
import { overRabbitmq } from '../rabbitmq/over-rabbitmq.ts';
import { seeds } from './seeds.ts';

// Over a server a history takes seconds, and more on a crowded machine.
vi.setConfig({ testTimeout: 90_000 });

overRabbitmq((server) => {
  runConformance({
    engine: namespaces(server).engine,
    test,
    seeds,
    patience: { virtualMs: 1_500, realMs: 4_000, quietMs: 40 },
  });
});
