/**
 * What the processes of a crash test write down, outside the engine they test. Each appends JSON
 * lines to a file of its own, before and after every action: what reached the kernel survives a
 * SIGKILL, so a kill between the two leaves an action that was begun and not answered.
 *
 * Times are microseconds of the machine's monotonic clock, which all processes share.
 */
import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A message as its publisher knows it. The label is unique; the id is malote's. */
export interface Announced {
  readonly label: string;
  readonly topic: string;
  readonly key: string | null;
  readonly delayMs: number;
  /** Facts it was published with; it may not run before they are opened. */
  readonly waits: readonly string[];
  /** A fact that its handler asks for. */
  readonly asks: string | null;
  /** Its handler publishes a message on its behalf. */
  readonly followed: boolean;
}

export type Line =
  | { readonly f: 'publish'; readonly at: number; readonly messages: readonly Announced[] }
  | {
      readonly f: 'published';
      readonly at: number;
      readonly label: string;
      readonly outcome: 'accepted' | 'refused' | 'indeterminate';
      /** The code, where it was not accepted. */
      readonly code: string | null;
    }
  | ({ readonly f: 'start' } & Handling & { readonly stagedBy: number | null })
  | ({ readonly f: 'end' | 'fail' | 'wait' } & Handling)
  | { readonly f: 'fulfil' | 'fulfilled'; readonly at: number; readonly facts: readonly string[] }
  | {
      readonly f: 'lease-lost';
      readonly at: number;
      readonly subscription: string;
      readonly id: string;
    }
  /** What the process has in hand, with what it was just delivered. */
  | { readonly f: 'in-hand'; readonly at: number; readonly messages: number }
  | { readonly f: 'trouble'; readonly at: number; readonly code: string; readonly message: string }
  /** Written by the supervisor. */
  | { readonly f: 'kill' | 'pause' | 'resume'; readonly at: number; readonly process: string }
  /** Lost its connections; null: all processes did. Written by the supervisor. */
  | {
      readonly f: 'break';
      readonly at: number;
      /** When it could connect again. */
      readonly until: number;
      readonly process: string | null;
    };

interface Handling {
  readonly at: number;
  readonly subscription: string;
  readonly label: string;
  readonly id: string;
  readonly attempt: number;
}

/** A line and the name of the process that wrote it. */
export interface Entry {
  readonly process: string;
  readonly line: Line;
}

export type Write = (line: Line) => void;

const suffix = '.jsonl';

export function now(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

export function openHistory(folder: string, processName: string): Write {
  const descriptor = openSync(join(folder, processName + suffix), 'a', 0o600);
  return (line) => {
    writeSync(descriptor, `${JSON.stringify(line)}\n`);
  };
}

/** The lines of every process whose name begins with `prefix`, in the order each wrote them. */
export function readHistories(folder: string, prefix = ''): Entry[] {
  const names = readdirSync(folder).filter(
    (name) => name.startsWith(prefix) && name.endsWith(suffix),
  );
  return names.toSorted().flatMap((name) => {
    const processName = name.slice(0, -suffix.length);
    // What follows the last line break is a line that its process did not live to finish.
    const complete = readFileSync(join(folder, name), 'utf8').split('\n').slice(0, -1);
    return complete.map((text) => ({ process: processName, line: JSON.parse(text) as Line }));
  });
}

/** Facts that some message needs and nobody has confirmed to be open. */
export function unconfirmedFacts(entries: readonly Entry[]): string[] {
  const needed = new Set<string>();
  for (const { line } of entries) {
    if (line.f !== 'publish') continue;
    for (const { waits, asks } of line.messages) {
      for (const fact of waits) needed.add(fact);
      if (asks !== null) needed.add(asks);
    }
  }
  for (const { line } of entries) {
    if (line.f === 'fulfilled') for (const fact of line.facts) needed.delete(fact);
  }
  return [...needed];
}
