/**
 * How rows become lines. Figures stand to the right. In a pipe nothing is cut to a width. At a
 * terminal a row fits its width: long texts are cut, as far as they can be read, and what does not
 * fit even so is folded: shown as several tables, each of which begins with the first column. That
 * one, figures, and what is whole or not at all (a time, a reason) are never cut.
 */

/** A figure stands to the right of its column. Of these, a text alone may be cut. */
export type Kind = 'text' | 'whole' | 'figure';

export interface Heads {
  readonly titles: readonly string[];
  readonly kinds: readonly Kind[];
}

/** Some of the columns, and how wide each of them is. */
export interface Fold {
  readonly columns: readonly number[];
  readonly widths: readonly number[];
  /** Whether what is wider than that is cut. */
  readonly cuts: boolean;
}

const gap = '  ';
/** So much of a text is shown before another table is begun for it: a name, or a UUID. */
const legible = 36;
/** The same of the last text, which is prose. */
const legibleProse = 24;

/**
 * The tables that rows are shown as.
 *
 * @param wanted - how wide each column would be
 * @param room - the columns of the terminal, 0 where there is none
 */
export function folded(wanted: readonly number[], heads: Heads, room: number): readonly Fold[] {
  const columns = [...wanted.keys()];
  if (room === 0) return [{ columns, widths: wanted, cuts: false }];
  const least = wanted.map((_, at) => readable(at, wanted, heads));
  const groups = widthOf(least) <= room ? [columns] : grouped(wanted[0]!, least, room);
  return groups.map((group) => {
    const widths = fitted(wanted, heads, { group, room });
    return { columns: group, widths, cuts: true };
  });
}

/** The least width of a column in which one can read what it says. */
function readable(at: number, wanted: readonly number[], { titles, kinds }: Heads): number {
  if (!mayGive(at, kinds)) return wanted[at]!;
  const most = at === titles.length - 1 ? legibleProse : legible;
  return Math.max(titles[at]!.length, Math.min(wanted[at]!, most));
}

/** As many columns to a table as fit and can be read, the first one in all of them. */
function grouped(first: number, least: readonly number[], room: number): number[][] {
  const groups: number[][] = [];
  let left = 0;
  for (const at of [...least.keys()].slice(1)) {
    const needed = gap.length + least[at]!;
    if (groups.length === 0 || needed > left) {
      groups.push([0]);
      left = room - first;
    }
    groups.at(-1)!.push(at);
    left -= needed;
  }
  return groups;
}

/** Widths that fit: the widest text gives way first, and what room is left belongs to the last. */
function fitted(
  wanted: readonly number[],
  heads: Heads,
  { group, room }: { readonly group: readonly number[]; readonly room: number },
): readonly number[] {
  const widths = group.map((at) => wanted[at]!);
  const floors = group.map((at) => readable(at, wanted, heads));
  const titles = group.map((at) =>
    mayGive(at, heads.kinds) ? heads.titles[at]!.length : Infinity,
  );
  let left = room - widthOf(widths);
  for (; left < 0; left += 1) {
    const widest = widestAbove(floors, widths) ?? widestAbove(titles, widths);
    if (widest === undefined) return widths;
    widths[widest]! -= 1;
  }
  const last = widths.length - 1;
  if (heads.kinds[group[last]!] !== 'figure') widths[last]! += left;
  return widths;
}

/** Where the widest stands among those that are wider than their floors. */
function widestAbove(floors: readonly number[], widths: readonly number[]): number | undefined {
  const above = [...widths.keys()].filter((at) => widths[at]! > floors[at]!);
  return above.toSorted((a, b) => widths[a]! - widths[b]! || a - b).at(-1);
}

function mayGive(at: number, kinds: Heads['kinds']): boolean {
  return at > 0 && kinds[at] === 'text';
}

function widthOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, gap.length * (widths.length - 1));
}

/** A row as a line of one of its tables. */
export function aligned(
  row: readonly string[],
  { columns, widths, cuts }: Fold,
  { kinds }: Pick<Heads, 'kinds'>,
): string {
  const cells = columns.map((at, place) => {
    const [cell = '', width = 0] = [row[at], widths[place]];
    if (kinds[at] === 'figure') return cell.padStart(width);
    return (cuts && mayGive(at, kinds) ? cut(cell, width) : cell).padEnd(width);
  });
  return cells.join(gap).trimEnd();
}

/** How wide each column must be. */
export function columnsOf(rows: readonly (readonly string[])[]): readonly number[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return widths;
}

export function cut(cell: string, most: number): string {
  const characters = Array.from(cell);
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : cell;
}
