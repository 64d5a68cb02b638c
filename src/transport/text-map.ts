/**
 * A map from texts, in the order in which they came, for what comes and goes by the thousand. A
 * `Map` knows a number for each of them alone: what that leaves behind as it is made anew would
 * keep all that passed through, see {@link NumberMap}.
 */

import { NumberMap } from './number-map.ts';

export class TextMap<Value> {
  readonly #numbers = new Map<string, number>();
  readonly #values = new NumberMap<Value>();
  #last = 0;

  get size(): number {
    return this.#numbers.size;
  }

  get(text: string): Value | undefined {
    const number = this.#numbers.get(text);
    return number === undefined ? undefined : this.#values.get(number);
  }

  has(text: string): boolean {
    return this.#numbers.has(text);
  }

  /** Where it is known it keeps its place. */
  set(text: string, value: Value): this {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      this.#last += 1;
      number = this.#last;
      this.#numbers.set(text, number);
    }
    this.#values.set(number, value);
    return this;
  }

  delete(text: string): boolean {
    const number = this.#numbers.get(text);
    if (number === undefined) return false;
    this.#values.delete(number);
    return this.#numbers.delete(text);
  }

  keys(): Iterable<string> {
    return this.#numbers.keys();
  }

  *values(): Generator<Value> {
    for (const number of this.#numbers.values()) yield this.#values.get(number)!;
  }

  *[Symbol.iterator](): Generator<[string, Value]> {
    for (const [text, number] of this.#numbers) yield [text, this.#values.get(number)!];
  }
}
