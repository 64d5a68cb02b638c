/**
 * Outbox and inbox in a file, messages over a RabbitMQ server: applications, relays and workers are
 * killed under load, and the tables say afterwards what became of it.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'vitest';
import { rabbitmqAt } from '../crash/arena.ts';
import { surviveBoxes, unharmed } from '../crash/box-survival.ts';
import { scheduleOf } from '../crash/nemesis.ts';
import { seeds } from '../support/environment.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const slots = ['app-1', 'app-2', 'relay-1', 'relay-2', 'worker-1', 'worker-2'];

overRabbitmq(
  (server) => {
    test.each(seeds(1, 3))(
      'a row, its message and its effect are there once each, in order: seed %i',
      { timeout: 120_000 },
      async (seed) => {
        const folder = temporaryFolder();
        const { engine, leaseMs } = rabbitmqAt(server().url, `boxes-${seed}`);
        const schedule = scheduleOf(300 + seed, { slots, faults: 16, pauses: 0 });
        const place = { engine, leaseMs, store: join(folder, 'store.db'), folder };

        const { unlike } = await surviveBoxes({ ...place, seed, slots, schedule });

        assert.deepEqual(unlike, unharmed);
      },
    );
  },
  { settings: ['vm_memory_high_watermark.absolute = 2GB'] },
);
