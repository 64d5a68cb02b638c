/**
 * The default codec: JSON text. Encodes once, refuses what would not come out as it went in, and
 * keeps the limits on size and depth at this one door.
 */

import { MaloteError } from '../errors.ts';

/** As a key; as a value it is a text like any other. */
const namesProto = /"__proto__"\s*:/;

export interface BodyLimits {
  readonly maxBytes: number;
  readonly maxDepth: number;
}

/**
 * @throws MaloteError `DATA_INVALID` (not JSON, or a key named `__proto__`), `MESSAGE_TOO_LARGE`,
 * `MESSAGE_TOO_DEEP`
 */
export function encode(data: unknown, where: string, limits: BodyLimits): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(data);
  } catch (cause) {
    throw new MaloteError('DATA_INVALID', `${where} cannot be written as JSON`, { cause });
  }
  if (text === undefined) {
    throw new MaloteError('DATA_INVALID', `${where} must be JSON, got ${typeof data}`);
  }
  checkSize(text, where, limits);
  // What JSON cannot say it writes as one of these two.
  if (text.includes('null') || text.includes('{}')) checkFaithful(data, where);
  return text;
}

/** @throws MaloteError `DATA_INVALID` when the body is not JSON text, or not safe to hand out. */
export function decode(body: string | Uint8Array, where: string, limits: BodyLimits): unknown {
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
  checkSize(text, where, limits);
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    // Only the position: V8's own sentence quotes the body, and bodies stay out of logs.
    const position = /position (\d+)/.exec(String(error))?.[1];
    const detail = position === undefined ? 'it is not' : `it is not at position ${position}`;
    throw new MaloteError('DATA_INVALID', `${where} must be JSON, ${detail}`);
  }
  // A letter of it may come escaped; what was read is written again to see names as they are.
  if (text.includes('\\u00') && namesProto.test(JSON.stringify(data))) {
    throw namesPrototype(where);
  }
  return data;
}

/** Refuses what `JSON.stringify` turns into something else without a word. */
function checkFaithful(data: unknown, where: string): void {
  JSON.stringify(data, function refuse(this: unknown, name: string, value: unknown) {
    const lost = lostInJson(value, Array.isArray(this));
    if (lost === undefined) return value;
    const at = name === '' ? where : `${where}, at ${JSON.stringify(name)},`;
    throw new MaloteError('DATA_INVALID', `${at} must be what JSON can say, got ${lost}`);
  });
}

function lostInJson(value: unknown, inArray: boolean): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : String(value);
  if (typeof value !== 'object') {
    // Left out of an object they say "absent"; in an array they would become null.
    const isLost = value === undefined || typeof value === 'function' || typeof value === 'symbol';
    return isLost && inArray ? `${typeof value} in an array` : undefined;
  }
  if (value === null || Array.isArray(value) || Object.keys(value).length > 0) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return undefined;
  return `an instance of ${value.constructor.name}, which it writes as {}`;
}

function checkSize(text: string, where: string, { maxBytes, maxDepth }: BodyLimits): void {
  // A UTF-16 unit becomes one to three bytes, so most texts are judged by their length alone.
  if (text.length * 3 > maxBytes) {
    const bytes = utf8Bytes(text);
    if (bytes > maxBytes) {
      throw new MaloteError(
        'MESSAGE_TOO_LARGE',
        `${where} must be at most ${maxBytes} bytes, got ${bytes}; store large data elsewhere ` +
          'and publish where it is, or raise maxBodyBytes',
      );
    }
  }
  if (opensMoreThan(text, maxDepth) && isDeeperThan(text, maxDepth)) {
    throw new MaloteError(
      'MESSAGE_TOO_DEEP',
      `${where} must nest at most ${maxDepth} levels; flatten it, or raise maxBodyDepth`,
    );
  }
  // Ordinary code that copies such a key by hand changes a prototype. The bare name is looked for
  // first: a search for a text that begins with a quote stops at every quote of the body.
  if (text.includes('__proto__') && namesProto.test(text)) throw namesPrototype(where);
}

function namesPrototype(where: string): MaloteError {
  return new MaloteError('DATA_INVALID', `${where} must not have a key named "__proto__"`);
}

function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) bytes += unit > 0x7ff ? 2 : 1;
    // A pair of surrogates is four bytes in all, and its first half has just counted for three.
    if (unit >= 0xd800 && unit <= 0xdbff) index += 1;
  }
  return bytes;
}

/** Whether there are more opening brackets than `limit`, in texts or not: fewer settle it. */
function opensMoreThan(text: string, limit: number): boolean {
  return count(text, '{', limit) + count(text, '[', limit) > limit;
}

/** How often `bracket` occurs, as far as `limit` and one more. */
function count(text: string, bracket: string, limit: number): number {
  let found = 0;
  for (let at = text.indexOf(bracket); at >= 0 && found <= limit; found++) {
    at = text.indexOf(bracket, at + 1);
  }
  return found;
}

/** Reads the text, not the value: safe at any depth, and the same at publish and at delivery. */
function isDeeperThan(text: string, limit: number): boolean {
  let depth = 0;
  let inText = false;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (inText) {
      if (unit === 0x5c) index += 1;
      else if (unit === 0x22) inText = false;
    } else if (unit === 0x22) inText = true;
    else if (unit === 0x7b || unit === 0x5b) {
      depth += 1;
      if (depth > limit) return true;
    } else if (unit === 0x7d || unit === 0x5d) depth -= 1;
  }
  return false;
}
