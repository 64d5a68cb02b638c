/** With what the command line ends, by what happened: `docs/cli.md` promises these. */

import { type ErrorCode, MaloteError } from '../index.ts';

export type Ending = keyof typeof exitCodes;

export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  'not-found': 3,
  refused: 4,
  engine: 5,
  config: 6,
  indeterminate: 7,
  broken: 8,
  interrupted: 130,
} as const;

const endings: Partial<Record<ErrorCode, Ending>> = {
  CAPABILITY_MISSING: 'refused',
  CONFIG_INVALID: 'config',
  CONFIG_MISSING: 'config',
  DATA_INVALID: 'usage',
  DEFINITION_INVALID: 'usage',
  DRIVER_MISSING: 'config',
  INDETERMINATE: 'indeterminate',
  MESSAGE_TOO_DEEP: 'usage',
  MESSAGE_TOO_LARGE: 'usage',
  NOT_FOUND: 'not-found',
  OPTION_INVALID: 'usage',
  OPTION_UNKNOWN: 'usage',
  QUEUE_FULL: 'refused',
};

/** An error of another copy of malote, such as the project's own, is known by its name. */
export function isMaloteError(error: unknown): error is MaloteError {
  return error instanceof Error && error.name === MaloteError.name && 'code' in error;
}

export function endingOf(error: unknown): Ending {
  if (!isMaloteError(error)) return 'failed';
  return error.code.startsWith('ENGINE_') ? 'engine' : (endings[error.code] ?? 'failed');
}
