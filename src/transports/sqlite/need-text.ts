/** Lists of needs and of facts, as a column keeps them. */

import type { Need } from '../../transport/transport.ts';

export function factsText(facts: readonly Need[]): string | null {
  return facts.length === 0 ? null : JSON.stringify(facts);
}

export function parseFacts(text: string | null): readonly Need[] {
  return text === null ? [] : (JSON.parse(text) as Need[]);
}
