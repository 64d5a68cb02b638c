/**
 * What every child process of a crash test shares: what it was told at its start, how it speaks to
 * its supervisor, and that it does not outlive it.
 */
import { MaloteError } from 'malote';

export interface ChildSetup {
  /** The SQLite file. */
  readonly file: string;
  readonly name: string;
  readonly histories: string;
  readonly seed: number;
}

/** What the supervisor passed as the one argument. */
export function setupOf(): unknown {
  return JSON.parse(process.argv[2] ?? '{}');
}

/** Sends one message to the supervisor; without one, as when run by hand, it is lost. */
export function tellParent(text: object): void {
  process.send?.(text, undefined, undefined, () => {});
}

/**
 * Tries again while the file is busy: with a lease as short as a campaign's, a crowded machine
 * makes an engine give up what an application would simply repeat.
 */
export async function untilFree<Answer>(
  attempt: () => Promise<Answer>,
  busy: (error: MaloteError) => void,
): Promise<Answer> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof MaloteError) || error.code !== 'ENGINE_BUSY') throw error;
      busy(error);
    }
  }
}

export function dieWithParent(): void {
  process.on('disconnect', () => process.exit(3));
  process.channel?.unref();
}
