/** What a command is: a row of the table that parsing, help, and the tests all read. */

import { optionInvalid } from '../errors.ts';
import type { Bus } from '../index.ts';
import type { Ending } from './exit-code.ts';
import type { Config } from './index.ts';
import type { Interruption } from './interruption.ts';
import type { Output } from './output.ts';

export interface Command {
  /** How it is called: `['dead', 'list']`. */
  readonly words: readonly string[];
  readonly about: string;
  readonly operands: readonly Operand[];
  readonly options: Readonly<Record<string, OptionRule>>;
  readonly examples: readonly string[];
  /** Whether it may make the file or namespace an engine lives in; who only looks, never. */
  readonly creates?: true;
  run(call: Call): Promise<Ending>;
}

export interface Operand {
  readonly name: string;
  readonly about: string;
  /** One must be there; `many` may also be none. @defaultValue 'one' */
  readonly count?: 'one' | 'many';
}

export interface OptionRule {
  /** What stands for its value in help; an option without one is a switch. */
  readonly value?: string;
  readonly repeats?: boolean;
  readonly about: string;
}

export interface Call {
  readonly bus: Bus;
  readonly config: Config;
  readonly given: Given;
  readonly output: Output;
  readonly interruption: Interruption;
}

export interface Given {
  readonly operands: readonly string[];
  /** The values of an option, none where it was not given. */
  values(option: string): readonly string[];
  value(option: string): string | undefined;
  has(option: string): boolean;
}

/** What every command takes. */
export const commonOptions: Readonly<Record<string, OptionRule>> = {
  json: { about: 'print JSON' },
  config: { value: 'FILE', about: 'the malote.config.ts to use; else the nearest one upward' },
  help: { about: 'print this' },
};

export function nameOf({ words }: Pick<Command, 'words'>): string {
  return words.join(' ');
}

/** @param others - options that say which dead letters of a subscription are meant */
export function requireOutboxAlone(where: string, [other]: readonly string[]): void {
  if (other === undefined) return;
  const expected = 'given without what chooses among the letters of subscriptions';
  throw optionInvalid(`${where}: --outbox`, expected, `--${other}`);
}
