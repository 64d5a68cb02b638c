/**
 * What a death says of a message counts once, however many processes die, and however often its
 * partition changes hands afterwards.
 */
import assert from 'node:assert/strict';
import { runConformance, type ConformanceCase } from 'malote/testing';
import { test, vi } from 'vitest';
import { ack } from '../../src/testing/conformance/settlements.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

// Over a server a case takes seconds, and more on a crowded machine.
vi.setConfig({ testTimeout: 90_000 });

const cases: readonly ConformanceCase[] = [
  onceEach('accused-often', { deaths: 12, owners: 3 }),
  onceEach('accused-long-ago', { deaths: 2, owners: 10 }),
];

function onceEach(
  id: string,
  { deaths, owners }: { readonly deaths: number; readonly owners: number },
): ConformanceCase {
  return {
    id,
    promise: 'G7',
    title: `${deaths} deaths with it, ${owners} owners without it: ${deaths} attempts are counted`,
    needs: {},
    async run(harness) {
      let { connection, consumer } = await harness.start();
      const next = async (): Promise<void> => {
        await harness.crash(connection);
        connection = await harness.open();
        consumer = connection.consume();
      };
      await connection.publish({ id: 'm', key: 'k' });
      for (let death = 1; death <= deaths; death++) {
        assert.equal((await consumer.one()).attempt, death);
        await next();
      }
      for (let owner = 1; owner <= owners; owner++) {
        await harness.until(
          () => connection.events.some(({ kind }) => kind === 'taken-over'),
          () => `owner ${owner} has not taken it over`,
        );
        await harness.quiet();
        await next();
      }

      const last = await consumer.one();
      assert.equal(last.attempt, deaths + 1);
      await connection.settled(ack(last));
    },
  };
}

overRabbitmq((server) => {
  runConformance({
    engine: namespaces(server).engine,
    test,
    cases,
    patience: { virtualMs: 1_500, realMs: 4_000, quietMs: 40 },
  });
});
