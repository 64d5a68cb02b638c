/**
 * What every child process of a crash test shares: what it was told at its start, how it speaks to
 * its supervisor, and that it does not outlive it.
 */
import { flushCompileCache } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import { MaloteError } from 'malote';

export interface ChildSetup {
  /** As `arena.ts` opens it. */
  readonly engine: string;
  readonly name: string;
  readonly histories: string;
  readonly seed: number;
}

export interface CampaignSetup extends ChildSetup {
  readonly leaseMs: number;
}

/** What the supervisor passed as the one argument. */
export function setupOf(): unknown {
  return JSON.parse(process.argv[2] ?? '{}');
}

/** Sends one message to the supervisor; without one, as when run by hand, it is lost. */
export function tellParent(text: object): void {
  process.send?.(text, undefined, undefined, () => {});
}

/** What passes: a file is busy, a server is away or has not answered. */
const passing = ['ENGINE_BUSY', 'ENGINE_UNREACHABLE', 'INDETERMINATE'];
const pauseMs = 20;

/**
 * Tries again while an engine is not to be had: with a lease as short as a campaign's, a crowded
 * machine makes it give up what an application would simply repeat.
 */
export async function untilFree<Answer>(
  attempt: () => Promise<Answer>,
  busy: (error: MaloteError) => void,
): Promise<Answer> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof MaloteError) || !passing.includes(error.code)) throw error;
      busy(error);
      await pause(pauseMs);
    }
  }
}

export function dieWithParent(): void {
  // What was compiled is kept for the next one as a process ends, and many of these are killed.
  flushCompileCache();
  process.on('disconnect', () => process.exit(3));
  process.channel?.unref();
}
