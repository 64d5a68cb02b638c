/**
 * What a death says of a message counts once, however many processes die, and however often its
 * partition changes hands afterwards.
 */
import assert from 'node:assert/strict';
import type { ConformanceCase } from 'malote/testing';
import type { Connection, Harness, Started } from '../../src/testing/conformance/harness.ts';
import { ack, deadLetter } from '../../src/testing/conformance/settlements.ts';
import { runCases } from './engine-cases.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const cases: readonly ConformanceCase[] = [
  onceEach('accused-often', { deaths: 12, owners: 3 }),
  onceEach('accused-long-ago', { deaths: 2, owners: 10 }),
  {
    id: 'accused-in-another-life',
    promise: 'G7',
    title: 'a death before it was a dead letter is not counted when it has been redriven',
    needs: {},
    async run(harness) {
      const owners = await ownersOf(harness);
      const { connection, consumer } = owners.current;
      await connection.publish({ id: 'm', key: 'k' });
      await consumer.one();
      const second = await owners.next();
      const again = await second.consumer.one();
      assert.equal(again.attempt, 2);
      await second.connection.settled(deadLetter(again));
      await redriveOne(second.connection);

      assert.equal(await attemptOfThird(owners), 1);
    },
  },
  {
    id: 'accused-by-who-buried-it',
    promise: 'G7',
    title: 'who dead-lettered it did not die with it: that is not counted when it is redriven',
    needs: {},
    async run(harness) {
      const owners = await ownersOf(harness);
      const { connection, consumer } = owners.current;
      await connection.publish({ id: 'm', key: 'k' });
      await connection.settled(deadLetter(await consumer.one()));
      const second = await owners.next();
      await redriveOne(second.connection);

      assert.equal(await attemptOfThird(owners), 1);
    },
  },
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
      const line = await ownersOf(harness);
      await line.current.connection.publish({ id: 'm', key: 'k' });
      for (let death = 1; death <= deaths; death++) {
        assert.equal((await line.current.consumer.one()).attempt, death);
        await line.next();
      }
      await line.withoutIt(owners);

      const { connection, consumer } = line.current;
      const last = await consumer.one();
      assert.equal(last.attempt, deaths + 1);
      await connection.settled(ack(last));
    },
  };
}

type Owner = Pick<Started, 'connection' | 'consumer'>;

interface Owners {
  readonly current: Owner;
  /** The current one dies, whatever it has in hand. */
  next(): Promise<Owner>;
  /** So many take the partitions over and die before they were given anything. */
  withoutIt(count: number): Promise<void>;
}

/** One process after the other. */
async function ownersOf(harness: Harness): Promise<Owners> {
  let current: Owner = await harness.start();
  async function next(): Promise<Owner> {
    await harness.crash(current.connection);
    const connection = await harness.open();
    current = { connection, consumer: connection.consume() };
    return current;
  }
  return {
    get current() {
      return current;
    },
    next,
    async withoutIt(count) {
      for (let owner = 1; owner <= count; owner++) {
        await harness.until(
          () => taken(current) === partitions,
          () => `owner ${owner} has not taken all partitions`,
        );
        await harness.quiet();
        await next();
      }
    },
  };
}

const partitions = 2;

function taken({ connection: { events } }: Owner): number {
  return events.filter(({ kind }) => kind === 'partition-taken').length;
}

/** Which attempt it is where its partition has changed hands twice more, of those who live. */
async function attemptOfThird(owners: Owners): Promise<number> {
  await owners.withoutIt(2);
  return (await owners.current.consumer.one()).attempt;
}

async function redriveOne({ store }: Connection): Promise<void> {
  assert.equal(await store.redrive({ ids: ['m'], subscription: null }), 1);
}

overRabbitmq((server) => {
  const { engine } = namespaces(server);
  runCases({ engine: () => engine({ partitions }), cases });
});
