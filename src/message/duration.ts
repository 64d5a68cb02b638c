/**
 * Lengths of time as users write them: `'250ms'`, `'30s'`, `'5m'`, `'24h'`, `'7d'`, or
 * milliseconds.
 */

import { optionInvalid } from '../errors.ts';

type Unit = 'ms' | 's' | 'm' | 'h' | 'd';

/** `'30s'`, `'1.5h'`, … or a number of milliseconds. A text without a unit is a compile error. */
export type Duration = number | `${number}${Unit}`;

const unitMs: Readonly<Record<Unit, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Ten years: far enough for any delay, and far from where dates end. */
const longestMs = 3_652 * unitMs.d;

/** @throws MaloteError `OPTION_INVALID` when `duration` is not one or is out of range. */
export function toMs(duration: Duration, where: string, atLeastMs = 0): number {
  const ms = parse(duration);
  if (ms === undefined || !(ms >= atLeastMs && ms <= longestMs)) {
    const range = `from ${atLeastMs} ms to 10 years, such as '30s' or 500 (ms)`;
    throw optionInvalid(where, `a duration ${range}`, duration);
  }
  return ms;
}

function parse(duration: unknown): number | undefined {
  if (typeof duration === 'number') return Number.isFinite(duration) ? duration : undefined;
  if (typeof duration !== 'string') return undefined;
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(duration);
  return match === null ? undefined : Number(match[1]) * unitMs[match[2] as Unit];
}
