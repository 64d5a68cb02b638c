/**
 * Chance and identity of the machine: the one place that asks it for either.
 *
 * Ids are UUIDs version 7 (RFC 9562, section 6.2, method 1): a time in milliseconds, a counter that
 * starts anywhere in every millisecond and then counts up, and random bits. They grow strictly
 * within a process, also when its clock steps back. Written here because a generator that asks the
 * system for randomness per id takes a third of a publish (docs/decisions/0003-own-ids.md).
 */

/** A number in [0, 1): for jitter and fair shares, never for secrets. */
export function random(): number {
  return Math.random();
}

const poolBytes = 8_192;
const counterLimit = 2 ** 32;
/** Random digits at the end of an id. */
const tailDigits = 10;
const twoDigits: readonly string[] = Array.from({ length: 256 }, (_, byte) => hex(byte, 2));

/** @param now - milliseconds since the Unix epoch */
export function createIds(now: () => number): () => string {
  const pool = Buffer.alloc(poolBytes);
  /** The pool as text: cutting a piece costs a fifth of putting digits together. */
  let digits = '';
  let used = 0;
  let lastMs = -1;
  /** What the present ids share: all but the last 8 bits of the counter, and the tail. */
  let head = '';
  let counter = 0;

  function draw(): string {
    if (used + tailDigits > digits.length) {
      crypto.getRandomValues(pool);
      digits = pool.toString('hex');
      used = 0;
    }
    used += tailDigits;
    return digits.slice(used - tailDigits, used);
  }

  function moveTo(ms: number): void {
    lastMs = ms;
    // The upper half of the range stays free, for the ids to come in this millisecond.
    counter = Number.parseInt(draw().slice(0, 8), 16) >>> 1;
    makeHead();
  }

  /** The counter, highest bits first: 10 behind the version, 14 behind the variant, then 8. */
  function makeHead(): void {
    const time = hex(lastMs, 12);
    const version = hex(0x7000 | (counter >>> 22), 4);
    const variant = hex(0x8000 | ((counter >>> 8) & 0x3fff), 4);
    head = [time.slice(0, 8), time.slice(8), version, variant, ''].join('-');
  }

  return () => {
    const ms = now();
    if (ms > lastMs) moveTo(ms);
    else if (++counter === counterLimit) moveTo(lastMs + 1);
    else if ((counter & 0xff) === 0) makeHead();
    return head + twoDigits[counter & 0xff]! + draw();
  };
}

/** Of the time in an id: `019a0c5e-8f2b`. */
const headLength = 13;
/** Of the id that was looked at last: most that follow are of the same millisecond. */
let [lastHead, lastTime] = ['?'.repeat(headLength), 0];

/** When an id of that kind was made, in milliseconds since the Unix epoch; null for any other. */
export function timeOf(id: string): number | null {
  if (id.length !== 36 || id[14] !== '7' || id[8] !== '-' || id[13] !== '-') return null;
  if (id.startsWith(lastHead)) return lastTime;
  const time = Number(`0x${id.slice(0, 8)}${id.slice(9, headLength)}`);
  if (Number.isNaN(time)) return null;
  [lastHead, lastTime] = [id.slice(0, headLength), time];
  return time;
}

function hex(value: number, length: number): string {
  return value.toString(16).padStart(length, '0');
}
