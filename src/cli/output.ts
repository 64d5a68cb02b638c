/**
 * Data on standard output, words on standard error. A text that came with a message cannot move
 * the cursor or colour the terminal: what is not printable is shown as an escape.
 *
 * In a table what is long is cut, at a terminal so that a row fits its width: `show` and `--json`
 * have it whole.
 */

import { once } from 'node:events';
import { styleText } from 'node:util';
import { systemClock } from '../clock.ts';
import { aligned, columnsOf, cut, type Fold, folded, type Heads, type Kind } from './table.ts';

export type Columns<Item> = readonly (readonly [
  title: string,
  cell: (item: Item) => string,
  kind?: Kind,
])[];

type Pages<Item> = Iterable<readonly Item[]> | AsyncIterable<readonly Item[]>;

export interface Listing<Item> {
  readonly columns: Columns<Item>;
  /** What to say where there is nothing. */
  readonly none: string;
}

export interface Output {
  readonly json: boolean;
  /** One document, or the lines that say the same. */
  data(value: unknown, lines: () => readonly string[]): Promise<void>;
  /** One array over all pages, or a table. */
  list<Item>(pages: Pages<Item>, listing: Listing<Item>): Promise<void>;
  words(sentence: string): void;
  /** What made it fail; with `--json` it is `{"error":…}`, on one line. */
  problem(problem: Problem): void;
  /**
   * How far long work has come, in a line that the next one replaces and that anything else, or
   * null, removes. On a terminal only.
   */
  progress(sentence: string | null): void;
}

export interface Problem {
  /** Null where it is not an error of malote. */
  readonly code: string | null;
  readonly message: string;
  /** Of the message that it is about. */
  readonly id?: string;
}

export function createOutput(json: boolean): Output {
  let isProgressShown = false;

  function progress(sentence: string | null): void {
    if (sentence === null && !isProgressShown) return;
    if (!process.stderr.isTTY || process.env['TERM'] === 'dumb') return;
    const room = (process.stderr.columns || 80) - 1;
    const text = sentence === null ? '' : plain(sentence).slice(0, room);
    process.stderr.write(`\r${removeLine}${text}`);
    isProgressShown = sentence !== null;
  }

  async function write(text: string): Promise<void> {
    progress(null);
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  }

  async function array(pages: Pages<unknown>): Promise<void> {
    let separator = '[';
    for await (const page of counted(pages)) {
      for (const item of page) {
        await write(`${separator}${toJson(item)}`);
        separator = ',\n';
      }
    }
    await write(separator === '[' ? '[]\n' : ']\n');
  }

  async function table<Item>(pages: Pages<Item>, { columns, none }: Listing<Item>): Promise<void> {
    const titles = columns.map(([title]) => title);
    const heads: Heads = { titles, kinds: columns.map(([, , kind]) => kind ?? 'text') };
    let folds: readonly Fold[] = [];
    for await (const page of counted(pages)) {
      if (page.length === 0) continue;
      const rows = page.map((item) =>
        columns.map(([, cell], at) => brief(plain(cell(item)), at, heads)),
      );
      const isFirst = folds.length === 0;
      if (isFirst) folds = folded(columnsOf([titles, ...rows]), heads, roomOf(process.stdout));
      for (const [at, fold] of folds.entries()) {
        const isAgain = !isFirst || at > 0;
        const above = `${isAgain ? '\n' : ''}${heading(aligned(titles, fold, heads))}\n`;
        const lines = rows.map((row) => `${aligned(row, fold, heads)}\n`);
        await write([isFirst || folds.length > 1 ? above : '', ...lines].join(''));
      }
    }
    if (folds.length === 0) words(none);
  }

  /** Who sees the pages themselves needs no count of them. */
  async function* counted<Item>(pages: Pages<Item>): AsyncIterable<readonly Item[]> {
    const pace = paceOf('listed');
    let count = 0;
    for await (const page of pages) {
      yield page;
      count += page.length;
      if (!process.stdout.isTTY && page.length > 0) progress(pace(count));
    }
    progress(null);
  }

  function words(sentence: string): void {
    progress(null);
    process.stderr.write(`${plain(sentence)}\n`);
  }

  function problem({ code, message, id }: Problem): void {
    if (json) return words(toJson({ error: { code, message, ...(id && { id }) } }));
    words(`malote: ${message}${code === null ? '' : ` (${code})`}`);
    if (id === undefined) return;
    words(`the id of the message is ${id}; where ids are remembered, --id stores it once`);
  }

  return {
    json,
    words,
    problem,
    progress,
    async data(value, lines) {
      const text = json ? [toJson(value)] : lines().map(plain);
      await write(text.map((line) => `${line}\n`).join(''));
    },
    list: (pages, listing) => (json ? array(pages) : table(pages, listing)),
  };
}

/** The control that erases the line a terminal's cursor is in. */
const removeLine = '\u001b[K';

/** How far it is and how fast it goes: `listed 1,500, 900 a second`. */
export function paceOf(done: string, total: number | null = null): (count: number) => string {
  const begun = systemClock.now();
  const number = (count: number): string => Math.round(count).toLocaleString('en-US');
  const of = total === null ? '' : ` of ${number(total)}`;
  return (count) => {
    const seconds = Math.max(0.001, (systemClock.now() - begun) / 1_000);
    return `${done} ${number(count)}${of}, ${number(count / seconds)} a second`;
  };
}

/** How many columns a terminal has; 0 where it is none. */
function roomOf({ isTTY, columns }: NodeJS.WriteStream): number {
  return isTTY ? columns : 0;
}

const longestCell = 48;
const longestLastCell = 120;

/** An id stands first, and is whole. */
function brief(cell: string, at: number, { kinds, titles }: Heads): string {
  if (at === 0 || kinds[at] !== 'text') return cell;
  return cut(cell, at === titles.length - 1 ? longestLastCell : longestCell);
}

/** Bold on a terminal; not in a pipe, not with NO_COLOR. */
function heading(text: string): string {
  return styleText('bold', text, { stream: process.stdout });
}

/** Controls and what turns the direction of writing, as escapes. */
function plain(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    escape,
  );
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The escapes of {@link plain} are those of JSON. */
function toJson(value: unknown): string {
  return plain(JSON.stringify(value));
}

/** An instant as people read it. */
export function time(ms: number | null): string {
  return ms === null ? '-' : new Date(ms).toISOString();
}

/** The same in a table: at a terminal without the present year, and to the second. */
export function timeInTable(ms: number | null): string {
  const whole = time(ms);
  if (ms === null || !process.stdout.isTTY) return whole;
  return shortened(whole, time(systemClock.now()));
}

/** `11-28 18:41:03Z`; of another year than the present one `2025-11-28 18:41:03Z`. */
export function shortened(instant: string, present: string): string {
  const isOfThisYear = instant.slice(0, 5) === present.slice(0, 5);
  const seconds = instant.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
  return isOfThisYear ? seconds.slice(5) : seconds;
}

/** The first of some names, and how many more there are. */
export function few(names: readonly string[]): string {
  if (names.length === 0) return '-';
  const more = names.length > 3 ? `, and ${names.length - 3} more` : '';
  return `${names.slice(0, 3).join(', ')}${more}`;
}
