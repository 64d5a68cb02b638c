/**
 * The engine an example runs on, as `MALOTE_ENGINE` names it: `memory`, `sqlite:` and the path of a
 * file, or the `amqp://` address of a RabbitMQ server; of a cluster several, with commas between.
 * Messages and handlers are the same on each. Examples that share a server share no message: each
 * has a namespace of its own.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BusOptions, MaloteError } from 'malote';
import { memory } from 'malote/memory';
import { rabbitmq } from 'malote/rabbitmq';
import { sqlite } from 'malote/sqlite';

export function engineNamed(name: string, namespace: string): BusOptions<never>['engine'] {
  if (isOnRabbitmq(name)) return rabbitmq(name.split(/,(?=amqps?:)/), { namespace });
  if (name === 'memory') return memory();
  return sqlite(
    sqliteFile(name, 'MALOTE_ENGINE', 'memory, sqlite:path or amqp://user:password@host'),
  );
}

/** The same, or the sentence why not; `MALOTE_NAMESPACE` in place of the usual one. */
export async function engineOf(
  name: string,
  usualNamespace: string,
): Promise<BusOptions<never>['engine']> {
  const namespace = process.env['MALOTE_NAMESPACE'] ?? usualNamespace;
  return await orExplain(Promise.resolve().then(() => engineNamed(name, namespace)));
}

export function isOnRabbitmq(name: string): boolean {
  return /^amqps?:/.test(name);
}

/** Where malote refuses, as for a server that is away: its sentence alone, and the end with 1. */
export async function orExplain<Result>(result: Promise<Result>): Promise<Result> {
  try {
    return await result;
  } catch (error) {
    if (!(error instanceof MaloteError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

/** The path in `sqlite:path`. Makes its folder, so that a first run needs no preparation. */
export function sqliteFile(name: string, variable: string, expected = 'sqlite:path'): string {
  const path = /^sqlite:(.+)$/.exec(name)?.[1];
  if (path === undefined) {
    console.error(`${variable} must be ${expected}, got "${name}"`);
    process.exit(2);
  }
  mkdirSync(dirname(path), { recursive: true });
  return path;
}
