/** What must hold of the tables of a box campaign. Pure: tests hand them what they like. */
import type { BoxResult, EffectRow } from './boxes.ts';

export type Findings = Readonly<Record<string, readonly string[]>>;

/** Everything that should not be, by its name; nothing where all is well. */
export function examineBoxes(
  { business, effects }: Pick<BoxResult, 'business' | 'effects'>,
  subscriptions: readonly string[],
): Findings {
  const found: Record<string, string[]> = {};
  const note = (what: string, sentences: readonly string[]): void => {
    if (sentences.length > 0) found[what] = sentences.slice(0, 5);
  };
  const stored = new Set(business.map(({ label }) => label));
  const undone = business.filter(({ label }) => label.startsWith('undone'));
  note(
    'taken back and there',
    undone.map(({ label }) => label),
  );
  note('message without its row', effects.filter(({ label }) => !stored.has(label)).map(tell));
  for (const name of subscriptions) {
    const own = effects.filter(({ subscription }) => subscription === name);
    const seen = new Set<string>();
    const twice = own.filter(({ label }) => seen.size === seen.add(label).size);
    note(`effects twice in ${name}`, twice.map(tell));
    note(
      `rows without effect in ${name}`,
      [...stored].filter((label) => !seen.has(label)),
    );
    note(`out of order in ${name}`, outOfOrder(business, own));
    note(`effects of a lost lease in ${name}`, zombies(own));
  }
  return found;
}

/** How many effects there will be that are not there yet. */
export function missing(
  { business, effects }: Pick<BoxResult, 'business' | 'effects'>,
  subscriptions: readonly string[],
): number {
  const seen = new Set(effects.map(({ subscription, label }) => `${subscription} ${label}`));
  const wanted = business.flatMap(({ label }) => subscriptions.map((name) => `${name} ${label}`));
  return wanted.filter((one) => !seen.has(one)).length;
}

function outOfOrder(business: BoxResult['business'], effects: readonly EffectRow[]): string[] {
  const place = new Map(business.map(({ label }, index) => [label, index]));
  const last = new Map<string, string>();
  return effects.flatMap(({ label, key }) => {
    if (key === null) return [];
    const before = last.get(key);
    last.set(key, label);
    if (before === undefined || place.get(before)! < place.get(label)!) return [];
    return [`${label} after ${before}`];
  });
}

/** Within a key tokens only grow: a smaller one was another's already. */
function zombies(effects: readonly EffectRow[]): string[] {
  const highest = new Map<string, number>();
  return effects.flatMap((effect) => {
    if (effect.key === null) return [];
    const token = highest.get(effect.key) ?? 0;
    highest.set(effect.key, Math.max(token, effect.token));
    return effect.token < token ? [`${tell(effect)} after token ${token}`] : [];
  });
}

function tell({ subscription, label, process, token }: EffectRow): string {
  return `${label} in ${subscription} by ${process} with token ${token}`;
}
