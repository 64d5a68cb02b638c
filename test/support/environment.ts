/**
 * How thorough a run is, from the environment: on a laptop what is there, before a merge all of it.
 *
 *     MALOTE_REQUIRE=all    an engine that is missing is a failure, not a printed line
 *     MALOTE_SEEDS=all      every seed of a seeded test, not the first few
 */

export const everyEngineRequired: boolean = process.env['MALOTE_REQUIRE'] === 'all';

export const everySeed: boolean = process.env['MALOTE_SEEDS'] === 'all';

/** Whether to test an engine. Says so when not, and how to get it; throws when it must be there. */
export function testEngine(name: string, isThere: boolean, getItBy: string): boolean {
  if (isThere) return true;
  const sentence = `not tested: ${name}; get it by: ${getItBy}`;
  if (everyEngineRequired) throw new Error(sentence);
  console.log(sentence);
  return false;
}

/** The seeds to run: the first `few`, or with `MALOTE_SEEDS=all` the first `all`. */
export function seeds(few: number, all: number): readonly number[] {
  return Array.from({ length: everySeed ? all : few }, (_, index) => index + 1);
}
