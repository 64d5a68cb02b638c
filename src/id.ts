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
/** Two digits of every byte: building text from a table costs a fifth of `toString(16)`. */
const digits: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);

/** @param now - milliseconds since the Unix epoch */
export function createIds(now: () => number): () => string {
  const pool = new Uint8Array(poolBytes);
  let used = poolBytes;
  let lastMs = -1;
  let prefix = '';
  let counter = 0;

  function draw(): number {
    if (used === poolBytes) {
      crypto.getRandomValues(pool);
      used = 0;
    }
    return pool[used++]!;
  }

  function moveTo(ms: number): void {
    lastMs = ms;
    const time = ms.toString(16).padStart(12, '0');
    prefix = `${time.slice(0, 8)}-${time.slice(8)}-`;
    // The upper half of the range stays free, for the ids to come in this millisecond.
    counter = (draw() % 128) * 2 ** 24 + draw() * 2 ** 16 + draw() * 2 ** 8 + draw();
  }

  return () => {
    const ms = now();
    if (ms > lastMs) moveTo(ms);
    else if (++counter === counterLimit) moveTo(lastMs + 1);
    // The counter, highest bits first: 12 behind the version, 14 behind the variant, then 6.
    const high = digits[0x70 | (counter >>> 28)]! + digits[(counter >>> 20) & 0xff]!;
    const middle = digits[0x80 | ((counter >>> 14) & 0x3f)]! + digits[(counter >>> 6) & 0xff]!;
    const low = digits[((counter & 0x3f) << 2) | (draw() & 3)]!;
    const rest = digits[draw()]! + digits[draw()]! + digits[draw()]! + digits[draw()]!;
    return `${prefix}${high}-${middle}-${low}${rest}${digits[draw()]!}`;
  };
}
