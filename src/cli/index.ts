/** `malote/cli`: what a `malote.config.ts` is written with. The command line itself is `malote`. */

import type { Engine, MessageType } from '../index.ts';

export interface Config {
  /** Where messages live. */
  readonly engine: Engine<unknown>;
  /** The application's database, where it has an outbox. */
  readonly store?: Engine<unknown>;
  /** The types that `malote publish` may publish, and that `malote doctor` looks at. */
  readonly messages?: readonly MessageType[];
}

/**
 * Names the engine, the store and the messages of a project for the command line. Answers what it
 * was given; it is there for its types.
 */
export function defineConfig(config: Config): Config {
  return config;
}
