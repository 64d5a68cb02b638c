/**
 * Transitions as structured log lines: message id, type, subscription, attempt, duration; never
 * the body. Takes any logger shaped like pino's; without one, warnings and errors go to standard
 * error as JSON lines.
 */

import type { Clock } from '../clock.ts';
import type { Transition } from './transition.ts';

type Level = 'debug' | 'info' | 'warn' | 'error';

/** The part of pino that malote uses; `console` does not fit, pino, winston and bunyan do. */
export interface PinoLike {
  debug(fields: object, sentence: string): void;
  info(fields: object, sentence: string): void;
  warn(fields: object, sentence: string): void;
  error(fields: object, sentence: string): void;
  isLevelEnabled?(level: string): boolean;
}

/** What handlers get as `ctx.log`: every line carries the message's id, type and attempt. */
export interface HandlerLog {
  debug(sentence: string, fields?: object): void;
  info(sentence: string, fields?: object): void;
  warn(sentence: string, fields?: object): void;
  error(sentence: string, fields?: object): void;
}

export interface Logger {
  /** Whether ordinary transitions are worth building for this logger. */
  readonly debugs: boolean;
  write(transition: Transition): void;
  child(fields: object): HandlerLog;
}

export function createLogger(given: PinoLike | false | undefined, clock: Clock): Logger {
  const target = given === false ? silent : (given ?? standardError(clock));
  return {
    get debugs() {
      return debugsOf(target) ?? false;
    },
    write(transition) {
      const isAskedFor = transition.kind === 'released' && transition.why === 'asked';
      const level = isAskedFor ? 'debug' : levelOf(transition.kind);
      // Where only a listener made it worth building: most events of a busy bus.
      if (level === 'debug' && debugsOf(target) === false) return;
      const { kind, ...fields } = transition;
      const sentence = transition.kind === 'relayed' ? published(transition) : sentences[kind];
      guarded(() => target[level](fields, sentence ?? kind));
    },
    child: (fields) => childOf(target, fields),
  };
}

/** Whether the logger takes debug lines; undefined where it does not say. */
function debugsOf(target: PinoLike): boolean | undefined {
  try {
    return target.isLevelEnabled?.('debug');
  } catch {
    return false;
  }
}

function childOf(target: PinoLike, bound: object): HandlerLog {
  const at =
    (level: Level) =>
    (sentence: string, fields: object = {}): void =>
      guarded(() => target[level]({ ...bound, ...fields, ...bound }, sentence));
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Logging never throws into the path of a message. */
function guarded(write: () => void): void {
  try {
    write();
  } catch {
    // The logger's own trouble has nowhere to go.
  }
}

/** At which level a transition is logged. */
export function levelOf(kind: Transition['kind']): Level {
  switch (kind) {
    case 'dead':
    case 'blocked':
    case 'engine-trouble':
    case 'engine-failed':
    case 'stuck':
      return 'error';
    case 'retried':
    case 'released':
    case 'kept':
    case 'lease-lost':
    case 'taken-over':
    case 'wait-swallowed':
    case 'transaction-forgotten':
    case 'cache-failed':
    case 'probe-failed':
    case 'lock-lost':
    case 'failed-after-commit':
    case 'diverted':
    case 'indeterminate':
      return 'warn';
    case 'relayed':
    case 'skipped':
    case 'redriven':
    case 'cancelled':
    case 'paused':
    case 'resumed':
    case 'adopted':
    case 'started-bus':
    case 'stopped-bus':
      return 'info';
    default:
      return 'debug';
  }
}

function published({ ids, messages }: Extract<Transition, { kind: 'relayed' }>): string {
  const more = messages > ids.length ? `, and ${messages - ids.length} more` : '';
  return `Published messages: [${ids.join(', ')}${more}]`;
}

const sentences: Partial<Record<Transition['kind'], string>> = {
  dead: 'a message went to the dead letters',
  blocked: 'a key stands still behind its dead head; redrive or cancel it',
  diverted: 'a message followed its key into the dead letters',
  retried: 'an attempt failed and will be repeated',
  released: 'a message went back with its attempt unspent',
  indeterminate: 'a message may or may not be stored: the answer was lost',
  kept:
    'messages of this type have no subscription: they are kept for the first one; ' +
    'is the type misspelt, or was its consumer never started?',
  redriven: 'dead letters were sent back',
  cancelled: 'a message was cancelled',
  paused: 'a subscription was paused',
  resumed: 'a subscription was resumed',
  adopted: 'a subscription took over what had been kept for it',
  'started-bus': 'the bus has started',
  'stopped-bus': 'the bus has stopped',
  stuck: 'a handler outlived its time-out and ignores its signal; its slot was given up',
  'lease-lost': 'a lease was lost: the message is given out again',
  'taken-over': 'messages of a dead process were taken over',
  'wait-swallowed': 'WAIT_SWALLOWED: the handler caught what ctx threw; it was done all the same',
  'probe-failed': 'the probe of a dependency failed; it is asked again',
  'cache-failed': 'a cache could not load a value',
  'cache-refused': 'a value was loaded too late, or before an invalidation, and was not kept',
  'lock-lost': 'a lock was lost; another may hold it',
  'transaction-forgotten':
    'TRANSACTION_FORGOTTEN: published outside of the open transaction; pass { tx }, or in a ' +
    'function use the publish it was given',
  skipped: 'a message that was processed before came again; it was skipped',
  'failed-after-commit':
    'a handler failed after its transaction was committed; the message is done',
  'engine-trouble': 'the engine failed; it is tried again',
  'engine-failed': 'the engine failed for good: this bus is over, stop it and create another one',
};

const silent: PinoLike = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  isLevelEnabled: () => false,
};

function standardError(clock: Clock): PinoLike {
  const at =
    (level: Level) =>
    (fields: object, sentence: string): void => {
      const time = new Date(clock.now()).toISOString();
      process.stderr.write(`${JSON.stringify({ level, time, msg: sentence, ...fields })}\n`);
    };
  return { ...silent, warn: at('warn'), error: at('error') };
}
