/** The RabbitMQ engine keeps every promise it makes, over a real server of its own. */
import { runConformance } from 'malote/testing';
import { afterAll, beforeAll, test, vi } from 'vitest';
import { namespaces } from '../rabbitmq/namespace.ts';
import { overRabbitmq } from '../rabbitmq/over-rabbitmq.ts';
import { seeds } from './seeds.ts';

// Over a server a history takes seconds, and more on a crowded machine.
vi.setConfig({ testTimeout: 90_000 });

// A case that waits for quiet may take a server that is late for one that is done: once more, then.
overRabbitmq(
  (server) => {
    const all = namespaces(server);
    beforeAll(all.open);
    afterAll(all.close);

    runConformance({
      engine: all.engine,
      test,
      seeds,
      patience: { virtualMs: 1_500, realMs: 4_000, quietMs: 40 },
    });
  },
  { retry: 1 },
);
