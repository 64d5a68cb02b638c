/** How options are checked: nothing is coerced, and an unknown name is met with the nearest one. */

import { optionInvalid, optionUnknown } from '../errors.ts';

/** @param nested - options of options, where a name that is not known may belong */
export function checkNames(
  where: string,
  given: object,
  known: readonly string[],
  nested?: readonly string[],
): void {
  if (typeof given !== 'object' || given === null) {
    throw optionInvalid(`${where}: options`, 'an object', given);
  }
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) throw optionUnknown(where, name, known, nested);
  }
}

export function whole(
  where: string,
  value: unknown,
  [least, most]: readonly [number, number],
): number {
  const valid = Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
  if (!valid) throw optionInvalid(where, `a whole number from ${least} to ${most}`, value);
  return value as number;
}

export function oneOf<Choice extends string>(
  where: string,
  value: Choice,
  choices: readonly Choice[],
): Choice {
  if (choices.includes(value)) return value;
  throw optionInvalid(where, choices.map((choice) => `"${choice}"`).join(' or '), value);
}

export function truth(where: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw optionInvalid(where, 'true or false', value);
}

export function checkSignal(where: string, value: unknown): AbortSignal | null {
  if (value === undefined) return null;
  if (value instanceof AbortSignal) return value;
  throw optionInvalid(where, 'an AbortSignal', value);
}
