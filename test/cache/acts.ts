/** What processes that share a cache are told: their set-up, and the commands of their supervisor. */

export interface Setup {
  /** The SQLite file. */
  readonly file: string;
  readonly name: string;
  /** A file with a line per load. */
  readonly loads: string;
  readonly loadMs: number;
  /** Milliseconds, of loads and locks. */
  readonly lease: number;
  /** `hang`: a load never ends; `freeze`: the process stops inside it. */
  readonly how: 'load' | 'hang' | 'freeze';
}

export type Command =
  | { readonly kind: 'ask'; readonly key: string; readonly callers: number }
  | { readonly kind: 'lock'; readonly key: string }
  | { readonly kind: 'release' }
  | { readonly kind: 'end' };

/** What they report, beyond what every child does. */
export interface Told {
  readonly kind: string;
  readonly token?: number;
  readonly values?: readonly string[];
  readonly tookMs?: readonly number[];
}
