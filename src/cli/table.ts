/**
 * How rows become lines. Figures stand to the right. In a pipe nothing is cut to a width. At a
 * terminal a row fits its width: the widest texts are cut first, none below its title, and what has
 * too many columns even so is folded: shown as several tables, each of which begins with the first
 * column. That one is never cut: it is what one copies.
 */

/** A figure stands to the right of its column. */
export type Kind = 'text' | 'figure';

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
/** What is left of a text, where there is more of it, in a table that is folded anyway. */
const legible = 10;

/**
 * The tables that rows are shown as.
 *
 * @param wanted - how wide each column would be
 * @param room - the columns of the terminal, 0 where there is none
 */
export function folded(wanted: readonly number[], heads: Heads, room: number): readonly Fold[] {
  const columns = [...wanted.keys()];
  if (room === 0) return [{ columns, widths: wanted, cuts: false }];
  const least = wanted.map((width, at) => (mayGive(at, heads) ? heads.titles[at]!.length : width));
  const groups = widthOf(least) <= room ? [columns] : grouped(wanted, heads, room);
  return groups.map((group) => {
    const widths = fitted(wanted, heads, { group, room });
    return { columns: group, widths, cuts: true };
  });
}

/** As many columns to a table as fit and can be read, the first one in all of them. */
function grouped(wanted: readonly number[], heads: Heads, room: number): number[][] {
  const groups: number[][] = [];
  let left = 0;
  for (const at of [...wanted.keys()].slice(1)) {
    const readable = Math.max(heads.titles[at]!.length, Math.min(wanted[at]!, legible));
    const needed = gap.length + (mayGive(at, heads) ? readable : wanted[at]!);
    if (groups.length === 0 || needed > left) {
      groups.push([0]);
      left = room - wanted[0]!;
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
  let left = room - widthOf(widths);
  for (; left < 0; left += 1) {
    const widest = widths.reduce((most, width, at) => {
      const gives = mayGive(group[at]!, heads) && width > heads.titles[group[at]!]!.length;
      return gives && (most === 0 || width >= widths[most]!) ? at : most;
    }, 0);
    if (widest === 0) return widths;
    widths[widest]! -= 1;
  }
  const last = widths.length - 1;
  if (heads.kinds[group[last]!] !== 'figure') widths[last]! += left;
  return widths;
}

function mayGive(at: number, { kinds }: Heads): boolean {
  return at > 0 && kinds[at] !== 'figure';
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
    return (cuts && at > 0 ? cut(cell, width) : cell).padEnd(width);
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
