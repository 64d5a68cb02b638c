/**
 * A map from numbers, for what comes and goes by the thousand. A `Map` is made anew each time as
 * many have left it as it has places, and what is left of the old one holds on to the new one, and
 * both to all that was in them, until the collector has looked at the whole heap: most of what
 * passed through is copied there first. This one stays where it is, and keeps nothing that left.
 *
 * Open addressing with linear probing; who leaves is replaced by those that had to step aside for
 * it (Knuth, The Art of Computer Programming 3, 6.4, algorithm R). Its places are given back when
 * it has been nearly empty for a while: crowds come and go by the turn.
 */

const fewestPlaces = 16;
/** As many leave it as it has places, or so many, before half of the places go. */
const longestNearlyEmpty = 65_536;

export class NumberMap<Value> {
  #keys = new Float64Array(0);
  #values: (Value | undefined)[] = [];
  #size = 0;
  #mask = -1;
  /** How many have left since there were more than an eighth as many as places. */
  #leftSince = 0;

  get size(): number {
    return this.#size;
  }

  /** How many it has room for before it grows, twice over. */
  get places(): number {
    return this.#keys.length;
  }

  get(key: number): Value | undefined {
    return this.#size === 0 ? undefined : this.#values[this.#find(key)];
  }

  has(key: number): boolean {
    return this.get(key) !== undefined;
  }

  set(key: number, value: Value): this {
    // Half of the places are free at the least, so that few have to step aside.
    if (this.#size * 2 > this.#mask) this.#move(Math.max(fewestPlaces, this.#keys.length * 2));
    const place = this.#find(key);
    if (this.#values[place] === undefined) this.#size += 1;
    this.#keys[place] = key;
    this.#values[place] = value;
    return this;
  }

  delete(key: number): boolean {
    if (this.#size === 0) return false;
    let free = this.#find(key);
    if (this.#values[free] === undefined) return false;
    for (let place = this.#after(free); this.#values[place] !== undefined; ) {
      const wanted = placeOf(this.#keys[place]!, this.#mask);
      // It may move unless it stands between where it wants to be and the free place.
      if (((place - wanted) & this.#mask) >= ((place - free) & this.#mask)) {
        this.#keys[free] = this.#keys[place]!;
        this.#values[free] = this.#values[place];
        free = place;
      }
      place = this.#after(place);
    }
    this.#values[free] = undefined;
    this.#size -= 1;
    const { length } = this.#keys;
    this.#leftSince = this.#size * 8 < length ? this.#leftSince + 1 : 0;
    if (this.#leftSince > Math.min(length, longestNearlyEmpty)) this.#move(length / 2);
    return true;
  }

  *keys(): Generator<number> {
    for (const [key] of this) yield key;
  }

  *values(): Generator<Value> {
    for (const value of this.#values) if (value !== undefined) yield value;
  }

  /** In no order. It must not change meanwhile: whoever changes it puts all aside before. */
  *[Symbol.iterator](): Generator<[number, Value]> {
    for (const [place, value] of this.#values.entries()) {
      if (value !== undefined) yield [this.#keys[place]!, value];
    }
  }

  #find(key: number): number {
    let place = placeOf(key, this.#mask);
    while (this.#values[place] !== undefined && this.#keys[place] !== key) {
      place = this.#after(place);
    }
    return place;
  }

  #after(place: number): number {
    return (place + 1) & this.#mask;
  }

  #move(places: number): void {
    if (places < fewestPlaces) return;
    const [keys, values] = [this.#keys, this.#values];
    this.#keys = new Float64Array(places);
    this.#values = Array.from<Value | undefined>({ length: places });
    this.#mask = places - 1;
    this.#size = 0;
    this.#leftSince = 0;
    values.forEach((value, place) => {
      if (value !== undefined) this.set(keys[place]!, value);
    });
  }
}

/** The golden ratio spreads numbers that follow each other. */
function placeOf(key: number, mask: number): number {
  return (Math.imul(key >>> 0, 0x9e3779b1) >>> 8) & mask;
}
