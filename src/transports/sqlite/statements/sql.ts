/**
 * Statements as typed text, and what it takes to prepare them.
 *
 * Every statement is prepared once per connection and answers arrays: less than half the cost of
 * objects. A `limit` is written `0 + ?`: a bare parameter makes SQLite plan the statement again on
 * every run. Values that decide whether a partial index may be used are written as literals.
 */

export type Value = string | number | null | Uint8Array;

/** The text of a statement; its type says what a row of its answer is. */
export type Sql<Row extends readonly Value[] = readonly []> = string & { readonly row?: Row };

export interface Statement<Row> {
  all(...values: readonly Value[]): Row[];
  get(...values: readonly Value[]): Row | undefined;
  run(...values: readonly Value[]): { readonly changes: number | bigint };
}

/** How many rows a statement for many takes. */
export const rowsPerStatement = 16;

/** `item` as often as a statement for many takes rows. */
export function forMany(item: string): string {
  return Array.from({ length: rowsPerStatement }, () => item).join(', ');
}

export type Texts = Readonly<Record<string, Sql<readonly Value[]>>>;

export type Prepared<Group extends Texts> = {
  readonly [Name in keyof Group]: Group[Name] extends Sql<infer Row> ? Statement<Row> : never;
};

/** What of a connection is used to prepare. */
export interface Preparing {
  prepare(sql: string): object;
}

interface DriverStatement extends Statement<readonly Value[]> {
  setReturnArrays(enabled: boolean): void;
  setReadBigInts(enabled: boolean): void;
}

export function prepareAll<Group extends Texts>(db: Preparing, texts: Group): Prepared<Group> {
  const prepared = Object.entries(texts).map(([name, text]) => {
    const statement = db.prepare(text) as DriverStatement;
    statement.setReturnArrays(true);
    // The connection may be the caller's, with other defaults.
    statement.setReadBigInts(false);
    return [name, statement];
  });
  return Object.fromEntries(prepared) as Prepared<Group>;
}
