/** Publishes as fast as it can, several calls at once, and counts what became of them. */
import { createBus, MaloteError } from 'malote';
import { type Act, workAsked } from './acts.ts';
import { engineAt } from './arena.ts';
import { type ChildSetup, dieWithParent, setupOf, tellParent } from './child.ts';

export interface RusherSetup extends ChildSetup {
  readonly messages: number;
  readonly atOnce: number;
}

const { engine, name, messages, atOnce } = setupOf() as RusherSetup;
const bus = createBus({ engine: engineAt(engine), logger: false });
const codes: Record<string, number> = {};
let accepted = 0;
let next = 0;

async function publishOn(): Promise<void> {
  while (next < messages) {
    next += 1;
    const act: Act = { label: `${name} ${next}`, key: `key ${next % 16}`, kind: 'quick' };
    try {
      await bus.publish(workAsked, act, next % 2 === 0 ? { orderKey: act.key! } : {});
      accepted += 1;
    } catch (error) {
      const code = error instanceof MaloteError ? error.code : 'unknown';
      codes[code] = (codes[code] ?? 0) + 1;
    }
  }
}

dieWithParent();
await Promise.all(Array.from({ length: atOnce }, publishOn));
await bus.stop();
tellParent({ kind: 'published', accepted, codes });
