/**
 * Entries by the id of their message. Few are ever asked for, and most are gone in a moment, so new
 * ones stand in a row: they enter the map of ids when somebody asks, or when the row is full of
 * entries that stay.
 */

import type { Entry, LaneTable, Names } from './lane-table.ts';

const longestRow = 16_384;
const named = -1;

/** The entries with this id; more than one only where engines do not recognise repetitions. */
export function entriesNamed({ names }: LaneTable, id: string): Entry[] {
  nameAll(names);
  const found: Entry[] = [];
  let entry = names.byId.get(id) ?? null;
  for (; entry !== null; entry = entry.twin) found.push(entry);
  return found;
}

export function enterRow({ names }: LaneTable, entry: Entry): void {
  if (names.row.length === longestRow) {
    if (names.gaps * 2 > longestRow) closeGaps(names);
    else nameAll(names);
  }
  entry.place = names.row.length;
  names.row.push(entry);
}

export function forgetName({ names }: LaneTable, entry: Entry): void {
  if (entry.place === named) return leaveMap(names, entry);
  names.row[entry.place] = null;
  names.gaps += 1;
}

function closeGaps(names: Names): void {
  names.row = names.row.filter((entry) => entry !== null);
  names.row.forEach((entry, place) => {
    entry!.place = place;
  });
  names.gaps = 0;
}

function nameAll(names: Names): void {
  for (const entry of names.row) if (entry !== null) enterMap(names, entry);
  names.row = [];
  names.gaps = 0;
}

function enterMap({ byId }: Names, entry: Entry): void {
  entry.place = named;
  const first = byId.get(entry.message.id);
  if (first === undefined) byId.set(entry.message.id, entry);
  else {
    entry.twin = first.twin;
    first.twin = entry;
  }
}

function leaveMap({ byId }: Names, entry: Entry): void {
  const { id } = entry.message;
  const first = byId.get(id);
  if (first === entry) {
    if (entry.twin === null) byId.delete(id);
    else byId.set(id, entry.twin);
    return;
  }
  for (let other = first; other !== undefined && other.twin !== null; other = other.twin) {
    if (other.twin !== entry) continue;
    other.twin = entry.twin;
    return;
  }
}
