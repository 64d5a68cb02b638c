/**
 * What a stranger writes first. Compiled here against the source, and by `tarball.test.ts` against
 * the packed package in an empty project.
 */
import { createBus, message } from 'malote';
import { memory } from 'malote/memory';

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

const Counted = message('things.counted', { schema: counted });
const bus = createBus({ engine: memory() });

const received = new Promise<number>((resolve) => {
  bus.consume(Counted, { name: 'printer' }, async (msg) => resolve(msg.data.count));
});
await bus.start();
await bus.publish(Counted, { count: 42 });
console.log(`received ${await received}`);
await bus.stop();
