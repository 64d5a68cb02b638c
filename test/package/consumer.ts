/**
 * What a stranger writes first. Compiled here against the source, and by `tarball.test.ts` against
 * the packed package in an empty project.
 */
import { createBus, message } from 'malote';
import type { Config } from 'malote/cli';
import { memory } from 'malote/memory';
import type { rabbitmq } from 'malote/rabbitmq';
import type { sqlite } from 'malote/sqlite';
import type { testBus } from 'malote/testing';

/** A Standard Schema by hand, so that a stranger needs no schema library. */
const counted = {
  '~standard': {
    version: 1 as const,
    vendor: 'by-hand',
    validate: (value: unknown) => ({ value: value as { readonly count: number } }),
    types: undefined as
      | { readonly input: { readonly count: number }; readonly output: { readonly count: number } }
      | undefined,
  },
};

/** Every entry, in types alone: none of them may need the types of a driver, or of Node. */
export interface Entries {
  readonly config: Config;
  readonly engines: readonly (ReturnType<typeof sqlite> | ReturnType<typeof rabbitmq>)[];
  readonly test: ReturnType<typeof testBus>;
}

const Counted = message('things.counted', { schema: counted });
const bus = createBus({ engine: memory() });

const received = new Promise<number>((resolve) => {
  bus.consume(Counted, { name: 'printer' }, async (msg) => resolve(msg.data.count));
});
await bus.start();
await bus.publish(Counted, { count: 42 });
console.log(`received ${await received}`);
await bus.stop();
