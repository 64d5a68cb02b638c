/**
 * The messages of a run, and the proof that it was a right one: each message accepted is handled
 * exactly once, and those of one key in their order. A run that fails this has no figure.
 */

import assert from 'node:assert/strict';

/** 209 bytes as JSON, whatever the numbers. */
export interface Order {
  /** Which publisher process, and the how manieth of its messages. */
  readonly n: number;
  readonly key: string;
  readonly at: number;
  readonly order: { readonly total: number; readonly currency: string; readonly note: string };
}

/** Messages of one publisher process; nine digits hold eight of these. */
const range = 100_000_000;
const note = 'x'.repeat(108);
const bodyBytes = 209;

/** Beside what is counted: a message that must never come, or one of the hot key. */
export const beside = 0;

export function makeOrder(n: number, key: string): Order {
  return { n, key, at: Date.now(), order: { total: 12.5, currency: 'USD', note } };
}

export function keyName(prefix: string, index: number): string {
  return prefix + String(index).padStart(7, '0');
}

export interface Load {
  next(): Order;
  /** Counts a handled message. */
  see(order: Order): void;
  /** Resolves when publishers may go on. */
  room(): Promise<void>;
  readonly isFull: boolean;
  /** Publishers wait for room until it goes on. */
  pause(): void;
  resume(): void;
  /** No message is made from now on. */
  close(): void;
  readonly isClosed: boolean;
  readonly issued: number;
  readonly handled: number;
  /** Handled messages of the hot key. */
  readonly hot: number;
  /** Issued and not handled, here and elsewhere. */
  readonly open: number;
  /** What the other process counts. */
  elsewhere(issued: number, handled: number): void;
  /** How often each message was seen here, by publisher process. */
  readonly marks: readonly Marks[];
  readonly misordered: number;
  /** What all this takes of the process, beside its heap. */
  readonly ownBytes: number;
}

/** How often each message of one publisher process was seen. */
export type Marks = Uint8Array;

export interface LoadOptions {
  readonly producer: 0 | 1;
  readonly keys: number;
  /** Every message has a key of its own. */
  readonly newKeys?: boolean;
  readonly backlog: number;
}

export function createLoad({ producer, keys, newKeys = false, backlog }: LoadOptions): Load {
  const first = (producer + 1) * range;
  const names = Array.from({ length: Math.max(1, keys) }, (_, index) => keyName('k', index));
  const marks = [new Uint8Array(1 << 16), new Uint8Array(1 << 16)];
  /** Which key each own message has; the latest message seen of each. */
  let keyOf = new Uint16Array(1 << 16);
  const latest = new Float64Array(names.length);
  const other = { issued: 0, handled: 0 };
  let issued = 0;
  let handled = 0;
  let hot = 0;
  let misordered = 0;
  let isClosed = false;
  let isPaused = false;
  let waiting: { readonly room: Promise<void>; readonly open: () => void } | null = null;

  assert.equal(JSON.stringify(makeOrder(first, names[0]!)).length, bodyBytes);

  function open(): number {
    return issued + other.issued - handled - other.handled;
  }

  function letGo(): void {
    if (waiting === null || ((isPaused || open() > backlog * 0.9) && !isClosed)) return;
    const { open: letIn } = waiting;
    waiting = null;
    letIn();
  }

  function next(): Order {
    const index = issued;
    issued += 1;
    const key = keys > 1 ? Math.floor(Math.random() * keys) : 0;
    if (index >= keyOf.length) keyOf = grown(keyOf, index);
    keyOf[index] = key;
    return makeOrder(first + index, newKeys ? keyName('n', index) : names[key]!);
  }

  function see({ n }: Order): void {
    if (n === beside) {
      hot += 1;
      return;
    }
    const from = Math.floor(n / range) - 1;
    const index = n % range;
    if (index >= marks[from]!.length) marks[from] = grown(marks[from]!, index);
    marks[from]![index]! += 1;
    handled += 1;
    if (keys > 0 && !newKeys && from === producer) checkOrder(index);
    if (waiting !== null) letGo();
  }

  function checkOrder(index: number): void {
    const key = keyOf[index]!;
    if (latest[key]! > index) misordered += 1;
    latest[key] = index;
  }

  return {
    next,
    see,
    room() {
      if (waiting === null) {
        let letIn: () => void = () => {};
        const room = new Promise<void>((resolve) => {
          letIn = resolve;
        });
        waiting = { room, open: letIn };
      }
      return waiting.room;
    },
    pause() {
      isPaused = true;
    },
    resume() {
      isPaused = false;
      letGo();
    },
    close() {
      isClosed = true;
      letGo();
    },
    elsewhere(issuedThere, handledThere) {
      other.issued = issuedThere;
      other.handled = handledThere;
      letGo();
    },
    marks,
    get isFull() {
      return isPaused || open() >= backlog;
    },
    get isClosed() {
      return isClosed;
    },
    get issued() {
      return issued;
    },
    get handled() {
      return handled;
    },
    get hot() {
      return hot;
    },
    get open() {
      return open();
    },
    get misordered() {
      return misordered;
    },
    get ownBytes() {
      return marks.reduce((sum, seen) => sum + seen.byteLength, keyOf.byteLength);
    },
  };
}

/** Throws unless every message of a publisher process was seen exactly once, by whomever. */
export function assertSeenOnce(issued: number, marks: readonly Marks[]): void {
  let lost = 0;
  let doubled = 0;
  for (let index = 0; index < issued; index++) {
    const times = marks.reduce((sum, seen) => sum + (seen[index] ?? 0), 0);
    if (times === 0) lost += 1;
    if (times > 1) doubled += 1;
  }
  assert.ok(issued > 0, 'no message was published');
  assert.equal(lost, 0, `${lost} of ${issued} messages were lost`);
  assert.equal(doubled, 0, `${doubled} of ${issued} messages were handled more than once`);
}

function grown<Numbers extends Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>>(
  numbers: Numbers,
  index: number,
): Numbers {
  const Kind = numbers.constructor as new (length: number) => Numbers;
  const larger = new Kind(Math.max(numbers.length * 2, index + 1));
  larger.set(numbers);
  return larger;
}
