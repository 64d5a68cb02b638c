/**
 * Errors as they are kept with a message and told in events: who threw what, where, and why, within
 * bounds.
 */

import type { Failure } from './life.ts';

const maxName = 200;
const maxCode = 100;
const maxMessage = 4_000;
const maxStack = 2_000;
const maxFrames = 10;
/** Of each cause: a chain of them costs no more than twice what it explains. */
const maxCauseMessage = 1_000;
const maxCauseStack = 1_000;
const maxCauses = 3;
/** Of a stack that somebody made up, only the beginning is looked at. */
const maxRead = 20_000;
/** Of each failure in the history of a message, which keeps a hundred. */
const framesInHistory = 3;
const maxInHistory = 1_000;

/** Of anything that was thrown: an error, null, a proxy that throws when it is looked at. */
export function failureOf(error: unknown): Failure {
  return kept(error, 0);
}

/** The same without where it was thrown: for errors that malote makes about a message. */
export function ownFailureOf(error: unknown): Failure {
  const { stack: _, ...failure } = failureOf(error);
  return failure;
}

/** A reason that a handler gave, whatever it gave for it. */
export function reasonOf(given: unknown): string {
  return typeof given === 'string' ? cut(given, maxMessage) : failureOf(given).message;
}

/** One entry of a message's history. */
export function describe({ name, message, stack }: Failure): string {
  const frames = stack === undefined ? [] : stack.split('\n').slice(0, framesInHistory);
  const sentence = cut(`${name}: ${message}`, maxInHistory / 2);
  return cut([sentence, ...frames].join('\n'), maxInHistory);
}

function kept(error: unknown, depth: number): Failure {
  const longest = depth === 0 ? maxMessage : maxCauseMessage;
  try {
    if (!(error instanceof Error)) return { name: 'Thrown', message: cut(String(error), longest) };
    const message = String(error.message);
    return {
      name: cut(nameOf(error), maxName),
      message: cut(message, longest),
      ...codeOf(error),
      ...stackOf(error, message, depth === 0 ? maxStack : maxCauseStack),
      ...(depth < maxCauses ? causeOf(error, depth) : {}),
    };
  } catch {
    return { name: 'Thrown', message: 'an error that cannot be shown' };
  }
}

/** Its own name, or that of its class; a class that only inherited one is known by its own. */
function nameOf(error: Error): string {
  const prototype: object | null = Object.getPrototypeOf(error);
  const isNamed = Object.hasOwn(error, 'name') || Object.hasOwn(prototype ?? {}, 'name');
  const ofClass: unknown = isNamed ? '' : prototype?.constructor.name;
  return typeof ofClass === 'string' && ofClass !== '' ? ofClass : String(error.name);
}

function codeOf(error: Error): Pick<Failure, 'code'> {
  const { code } = error as { readonly code?: unknown };
  return typeof code === 'string' ? { code: cut(code, maxCode) } : {};
}

/** The frames alone: the sentence above them is the message. */
function stackOf(error: Error, message: string, longest: number): Pick<Failure, 'stack'> {
  const { stack } = error;
  if (typeof stack !== 'string') return {};
  const above = stack.indexOf(message);
  const below = above < 0 ? stack : stack.slice(above + message.length);
  const frames = below
    .slice(0, maxRead)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at '));
  if (frames.length === 0) return {};
  return { stack: cut(worthReading(frames).slice(0, maxFrames).join('\n'), longest) };
}

/** Without those of malote and of Node.js, where others say where the application was. */
function worthReading(frames: readonly string[]): readonly string[] {
  const others = frames.filter((frame) => !isInside.test(frame));
  return others.some((frame) => !isNowhere.test(frame)) ? others : frames;
}

const isInside = /[/\\]node_modules[/\\]malote[/\\]|[ (]node:/;
/** `at new Promise (<anonymous>)`, `at async Promise.all (index 0)`. */
const isNowhere = /<anonymous>\)?$|\(index \d+\)$/;

function causeOf(error: Error, depth: number): Pick<Failure, 'cause'> {
  const { cause, errors } = error as { readonly cause?: unknown; readonly errors?: unknown };
  if (cause !== undefined && cause !== null) return { cause: kept(cause, depth + 1) };
  // Of several that failed together the first one speaks for all.
  if (Array.isArray(errors) && errors.length > 0) return { cause: kept(errors[0], depth + 1) };
  return {};
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** Whether to wait for it. What only looks like a promise is an answer like any other. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return typeof (value as { readonly then?: unknown }).then === 'function';
}
