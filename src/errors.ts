/**
 * The one error class of malote, its codes, and the sentences that are built in more than one
 * place.
 *
 * A sentence reads: where, what was expected, what came instead, what to do. `docs/errors.md`
 * explains every code; a test keeps the two in step.
 */

export type ErrorCode =
  | 'ALREADY_PROCESSED'
  | 'ATTEMPT_OVER'
  | 'BUS_STOPPED'
  | 'CACHE_LOAD_FAILED'
  | 'CACHE_TAKEN'
  | 'CACHE_TIMEOUT'
  | 'CAPABILITY_MISSING'
  | 'CONFIG_INVALID'
  | 'CONFIG_MISSING'
  | 'DATA_INVALID'
  | 'DEFINITION_INVALID'
  | 'DRIVER_MISSING'
  | 'ENGINE_BUSY'
  | 'ENGINE_CORRUPT'
  | 'ENGINE_DENIED'
  | 'ENGINE_FAILED'
  | 'ENGINE_FULL'
  | 'ENGINE_GONE'
  | 'ENGINE_MISMATCH'
  | 'ENGINE_READ_ONLY'
  | 'ENGINE_UNREACHABLE'
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
  declare readonly id: string | undefined;

  constructor(code: ErrorCode, message: string, options: MaloteErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    // Not there where there is none: a printed error says no more than it knows.
    if (options.id !== undefined) this.id = options.id;
  }
}

export interface MaloteErrorOptions {
  readonly cause?: unknown;
  readonly id?: string;
}

export function optionInvalid(where: string, expected: string, got: unknown): MaloteError {
  return new MaloteError('OPTION_INVALID', `${where} must be ${expected}, got ${show(got)}`);
}

/** @param got - in words, so without quotes: there is no value to show */
export function optionMissing(
  where: string,
  expected: string,
  got: 'nothing' | 'neither' | 'both',
): MaloteError {
  return new MaloteError('OPTION_INVALID', `${where} must be ${expected}, got ${got}`);
}

/** @param nested - options of options, where the name may belong: `retry.attempts` */
export function optionUnknown(
  where: string,
  name: string,
  known: readonly string[],
  nested: readonly string[] = [],
): MaloteError {
  const below = nested.find((option) => option.endsWith(`.${name}`));
  const cure = cureOf(below ?? closest(name, known), known);
  return new MaloteError('OPTION_UNKNOWN', `${where} has no option "${name}"; ${cure}`);
}

/** @param name - of a command, as it was given */
export function commandUnknown(
  name: string,
  known: readonly string[],
  meant?: string,
): MaloteError {
  const cure = cureOf(meant ?? closest(name, known), known);
  return new MaloteError('OPTION_UNKNOWN', `there is no command "${name}"; ${cure}`);
}

/** @param what - such as `subscription` */
export function notFound(what: string, name: string, known: readonly string[]): MaloteError {
  const cure = cureOf(closest(name, known), known);
  return new MaloteError('NOT_FOUND', `there is no ${what} "${name}"; ${cure}`);
}

/** What to write instead of a name that is not known. */
function cureOf(nearest: string | undefined, known: readonly string[]): string {
  if (nearest !== undefined) return `did you mean "${nearest}"?`;
  if (known.length === 0) return 'there is none';
  const more = known.length > mostNamed ? `, and ${known.length - mostNamed} more` : '';
  return `known are ${known.slice(0, mostNamed).join(', ')}${more}`;
}

const mostNamed = 30;

/** `instanceof` for anything that was thrown: a proxy may throw when it is looked at. */
export function isInstance<T>(
  thrown: unknown,
  kind: abstract new (...args: never[]) => T,
): thrown is T {
  try {
    return thrown instanceof kind;
  } catch {
    return false;
  }
}

/** A value as an error message may show it: short, on one line, never a whole body. */
export function show(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  let text: string | undefined;
  try {
    if (value instanceof Date && Number.isNaN(value.getTime())) return 'an invalid Date';
    text = JSON.stringify(value);
  } catch {
    text = `an unprintable ${typeof value}`;
  }
  if (text === undefined) return typeof value;
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/**
 * The nearest known name: within one edit for every three letters, and two at most; else the only
 * one that begins alike, as "retry" and "retries" do.
 */
function closest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    const most = Math.min(2, Math.floor(Math.max(name.length, candidate.length) / 3));
    if (distance <= most && distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  if (best !== undefined) return best;
  const begin = name.toLowerCase().slice(0, leastAlike);
  const alike = known.filter((candidate) => candidate.toLowerCase().startsWith(begin));
  return begin.length === leastAlike && alike.length === 1 ? alike[0] : undefined;
}

const leastAlike = 4;

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
