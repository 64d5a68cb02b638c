/** Publishes, one message after the other, until one is refused; then says what became of them. */
import { createBus, MaloteError } from 'malote';
import { workAsked } from './acts.ts';
import { engineAt } from './arena.ts';

const [engine = ''] = process.argv.slice(2);
const bus = createBus({ engine: engineAt(engine), logger: false });
const accepted: string[] = [];
const refusals: string[] = [];

async function publish(id: string): Promise<void> {
  const act = { label: id.padEnd(4_000), key: 'a', kind: 'quick' } as const;
  try {
    await bus.publish(workAsked, act, { id });
    accepted.push(id);
  } catch (error) {
    refusals.push(error instanceof MaloteError ? error.code : String(error));
  }
}

for (let number = 1; number <= 5_000 && refusals.length < 2; number++) {
  await publish(`m${number}`);
}
await bus.stop();
console.log(JSON.stringify({ accepted, refusals }));
