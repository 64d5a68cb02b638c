/**
 * The one error class of malote, its codes, and the sentences that are built in more than one
 * place.
 *
 * A sentence reads: where, what was expected, what came instead, what to do. `docs/errors.md`
 * explains every code; a test keeps the two in step.
 */

export type ErrorCode =
  | 'ATTEMPT_OVER'
  | 'BUS_STOPPED'
  | 'CACHE_LOAD_FAILED'
  | 'CACHE_TAKEN'
  | 'CACHE_TIMEOUT'
  | 'CAPABILITY_MISSING'
  | 'DATA_INVALID'
  | 'DEFINITION_INVALID'
  | 'ENGINE_BUSY'
  | 'ENGINE_CORRUPT'
  | 'ENGINE_FAILED'
  | 'ENGINE_FULL'
  | 'ENGINE_GONE'
  | 'ENGINE_MISMATCH'
  | 'ENGINE_READ_ONLY'
  | 'ENGINE_VERSION'
  | 'INDETERMINATE'
  | 'LEASE_LOST'
  | 'LOCK_LOST'
  | 'LOCK_TIMEOUT'
  | 'MESSAGE_TOO_DEEP'
  | 'MESSAGE_TOO_LARGE'
  | 'NOT_FOUND'
  | 'OPTION_INVALID'
  | 'OPTION_UNKNOWN'
  | 'PUBLISH_ABORTED'
  | 'QUEUE_FULL'
  | 'SUBSCRIPTION_CHANGED'
  | 'SUBSCRIPTION_TAKEN'
  | 'TIMED_OUT'
  | 'TRANSACTION_REQUIRED'
  | 'WAIT_ABORTED';

/**
 * The only error class malote throws. Branch on {@link MaloteError.code}; the message is written
 * for people and may change in any release. The driver's own error, if any, is the `cause`.
 */
export class MaloteError extends Error {
  override readonly name = 'MaloteError';
  readonly code: ErrorCode;
  /** The message's id where the error is about one, so that the same id can be published again. */
  readonly id: string | undefined;

  constructor(code: ErrorCode, message: string, options: MaloteErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.id = options.id;
  }
}

export interface MaloteErrorOptions {
  readonly cause?: unknown;
  readonly id?: string;
}

export function optionInvalid(where: string, expected: string, got: unknown): MaloteError {
  return new MaloteError('OPTION_INVALID', `${where} must be ${expected}, got ${show(got)}`);
}

export function optionUnknown(where: string, name: string, known: readonly string[]): MaloteError {
  const nearest = closest(name, known);
  const cure =
    nearest === undefined ? `known are ${known.join(', ')}` : `did you mean "${nearest}"?`;
  return new MaloteError('OPTION_UNKNOWN', `${where} has no option "${name}"; ${cure}`);
}

/** A value as an error message may show it: short, on one line, never a whole body. */
export function show(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    text = `an unprintable ${typeof value}`;
  }
  if (text === undefined) return typeof value;
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** The known name within two edits of `name`, or undefined. */
function closest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = 3;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Damerau's distance, restricted: insert, delete, replace, swap two neighbours. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let previous: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, previous[j - 2]! + 1);
      next.push(cost);
    }
    [previous, row] = [row, next];
  }
  return row[b.length]!;
}
