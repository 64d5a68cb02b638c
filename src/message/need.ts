/**
 * What a message needs before it is processed: a fact, or any of several. Both are one text, so
 * that an engine keeps and compares them alike: a fact is itself, and several are a JSON array of
 * theirs. The name that a fact begins with holds no bracket, so the two cannot be mixed up.
 */

/** A fact (`name:id`), or a JSON array of facts any of which will do. */
export type Need = string;

export const noNeeds: readonly Need[] = [];

const bracket = 91;

export function anyNeedOf(facts: readonly string[]): Need {
  const different = [...new Set(facts)];
  return different.length === 1 ? different[0]! : JSON.stringify(different);
}

export function isAnyOf(need: Need): boolean {
  return need.charCodeAt(0) === bracket;
}

/** The facts of a need: any of them meets it. */
export function factsIn(need: Need): readonly string[] {
  return isAnyOf(need) ? (JSON.parse(need) as string[]) : [need];
}

export function isMet(need: Need, holding: { has(fact: string): boolean }): boolean {
  return isAnyOf(need) ? factsIn(need).some((fact) => holding.has(fact)) : holding.has(need);
}

/** As people read it: `customer:1 or account:2`. */
export function shownNeed(need: Need): string {
  return isAnyOf(need) ? factsIn(need).join(' or ') : need;
}

export function shownNeeds(needs: readonly Need[]): readonly string[] {
  return needs.some(isAnyOf) ? needs.map(shownNeed) : needs;
}
