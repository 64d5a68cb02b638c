/** What processes that share a cache are told: their set-up, and their supervisor's commands. */

export interface Setup {
  /** The SQLite file. */
  readonly file: string;
  readonly name: string;
  /** A file with a line per load. */
  readonly loads: string;
  /** Milliseconds, of loads and locks. */
  readonly lease: number;
  /** `load`: a load ends when the supervisor says so; `freeze`: the process stops inside it;
   * `die`: it is killed when it has the value, before that is stored. */
  readonly how: 'load' | 'freeze' | 'die';
}

export type Command =
  | { readonly kind: 'ask'; readonly key: string; readonly callers: number }
  /** The load of a key that this process is at ends. */
  | { readonly kind: 'finish'; readonly key: string }
  | { readonly kind: 'lock'; readonly key: string }
  | { readonly kind: 'release' }
  | { readonly kind: 'end' };

/** What they report, beyond what every child does. */
export interface Told {
  readonly kind: string;
  /** The key it is about. */
  readonly label?: string;
  readonly token?: number;
  readonly values?: readonly string[];
  readonly tookMs?: readonly number[];
}
