/** A contestant's process, from its start to its end. */

import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Contestant, Said } from './scenario.ts';

export interface Running {
  readonly child: ChildProcess;
  /** What it said last, once it has ended. */
  readonly ended: Promise<Said>;
}

const entry = fileURLToPath(new URL('contestant.ts', import.meta.url));
/** Longer than the longest of them by far: a contestant that hangs is wrong. */
const mostMs = 15 * 60_000;
const politeMs = 5_000;

/** @param profile - a file for its profile */
export function run({ spec }: Contestant, ...profile: string[]): Running {
  const child = fork(entry, [JSON.stringify(spec), ...profile], {
    execArgv: ['--conditions=malote-source', '--expose-gc', '--no-warnings'],
    stdio: ['ignore', process.stderr, process.stderr, 'ipc'],
  });
  const ended = new Promise<Said>((resolve, reject) => {
    let said: Said = { kind: 'wrong', reason: 'its process ended without a word' };
    const timer = setTimeout(() => {
      said = { kind: 'wrong', reason: `it did not end within ${mostMs} ms` };
      // Asked first: it may have a server to end.
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), politeMs).unref();
    }, mostMs);
    child.on('message', (message: Said | { readonly word: string }) => {
      if ('kind' in message) said = message;
    });
    child.once('error', reject);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve(said);
    });
  });
  return { child, ended };
}
