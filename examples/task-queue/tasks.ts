/** What a task is, and the work on it: a short wait that sometimes fails, as the seed decides. */
import { setTimeout } from 'node:timers/promises';
import { type DataOf, message } from 'malote';
import { z } from 'zod';

const kinds = ['email', 'invoice', 'thumbnail'] as const;

export const Task = message('task', {
  schema: z.object({
    id: z.string(),
    type: z.enum(kinds),
    payload: z.record(z.string(), z.unknown()),
    timestamp: z.iso.datetime(),
  }),
});
export type Task = DataOf<typeof Task>;

export function taskOf(run: string, number: number): Task {
  return {
    id: `${run}-${number}`,
    type: kinds[number % kinds.length]!,
    payload: { number },
    timestamp: new Date().toISOString(),
  };
}

export interface Attempt {
  readonly seed: number;
  readonly attempt: number;
  readonly signal: AbortSignal;
}

/** Takes up to 50 ms; four attempts of ten fail, the same ones in every run with this seed. */
export async function work(task: Task, { seed, attempt, signal }: Attempt): Promise<void> {
  const number = Number(task.payload['number']);
  const luck = chance(seed * 1_000_003 + number * 1_009 + attempt);
  await setTimeout(luck * 50, undefined, { signal });
  if (luck < 0.4) throw new Error(`the ${task.type} service is down`);
}

/** A number in [0, 1) that depends on its seed alone (mulberry32). */
function chance(seed: number): number {
  let mixed = (seed + 0x6d2b79f5) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
