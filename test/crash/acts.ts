/** What actors are told: the messages of `child-actor.ts` and the commands of its supervisor. */
import { message, type MessageType } from 'malote';
import type { ChildSetup } from './child.ts';

export interface Act {
  readonly label: string;
  readonly key: string | null;
  /**
   * `hold` waits for a `go`; `die` kills the process that handles it, amid the call of the handler,
   * `die-later` in a later turn of the loop; `freeze` stops it, on the first attempt, at the very
   * end of the handler.
   */
  readonly kind: 'quick' | 'hold' | 'die' | 'die-later' | 'freeze';
}

export type Command =
  | { readonly kind: 'go'; readonly labels: readonly string[] }
  | { readonly kind: 'freeze' };

export interface ActorOptions {
  /** Milliseconds. */
  readonly lease: number;
  readonly concurrency: number;
  readonly attempts: number;
}

export type ActorSetup = ChildSetup & ActorOptions;

export const subscription = 'working';

export const workAsked: MessageType<string, Act, Act> = message<Act>('work.asked');
