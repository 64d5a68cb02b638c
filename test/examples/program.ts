/**
 * An example as a process of its own: started in a folder, read line by line, ended by a signal.
 * Nothing here sleeps; a line that never comes ends with the test's time-out and the output so far.
 */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, dirname, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { afterEach } from 'vitest';

export interface Program {
  /** Standard output and error, as far as they have come. */
  readonly output: string;
  /**
   * The first line from the start that fits, now or later. Rejects when the program ends before.
   */
  line(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Resolves once this many lines fit. */
  lines(pattern: RegExp, count: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves to the exit code, or to the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Sends SIGINT, as Ctrl+C does, and asserts that the program ends with 0. */
  interrupt(): Promise<void>;
}

export interface ProgramOptions {
  readonly folder: string;
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const running = new Set<Program>();
afterEach(async () => {
  const left = [...running];
  for (const program of left) program.kill('SIGKILL');
  await Promise.all(left.map((program) => program.ended));
});

export function runExample(path: string, options: ProgramOptions): Program {
  const { folder, args = [], environment = {} } = options;
  const file = resolve('examples', path);
  const child = spawn(process.execPath, ['--conditions=malote-source', file, ...args], {
    cwd: folder,
    env: { ...plainEnvironment(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return programOf(path, child, (signal) => void child.kill(signal));
}

/** `npm run` of a script of this repository. Signals go to all of its processes, as Ctrl+C does. */
export function runScript(name: string, environment: Readonly<Record<string, string>>): Program {
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  const child = spawn('npm', ['run', '-s', name], {
    env: { ...plainEnvironment(), PATH: path, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  return programOf(`npm run ${name}`, child, (signal) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // All of them have ended already.
    }
  });
}

function programOf(
  name: string,
  child: ChildProcessByStdio<null, Readable, Readable>,
  kill: (signal: NodeJS.Signals) => void,
): Program {
  let output = '';
  let hasEnded = false;
  const waiting = new Set<() => void>();
  const changed = (): void => {
    for (const look of waiting) look();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      changed();
    });
  }
  const ended = new Promise<number | NodeJS.Signals>((done, failed) => {
    child.on('error', failed);
    child.on('close', (code, signal) => {
      hasEnded = true;
      running.delete(program);
      done(code ?? signal ?? -1);
      changed();
    });
  });

  /** Looks at whole lines only: the last one may still be on its way. */
  function until<Found>(find: (text: string) => Found | null): Promise<Found> {
    return new Promise((done, failed) => {
      const look = (): void => {
        const found = find(output.slice(0, output.lastIndexOf('\n') + 1));
        if (found === null && !hasEnded) return;
        waiting.delete(look);
        if (found !== null) done(found);
        else failed(new Error(`${name} ended before the awaited line:\n${output}`));
      };
      waiting.add(look);
      look();
    });
  }

  const program: Program = {
    get output() {
      return output;
    },
    line: (pattern) => until((text) => pattern.exec(text)),
    async lines(pattern, count) {
      await until((text) => ([...text.matchAll(pattern)].length >= count ? true : null));
    },
    kill,
    ended,
    async interrupt() {
      kill('SIGINT');
      assert.equal(await ended, 0, output);
    },
  };
  running.add(program);
  return program;
}

/** Asserts that the output is what the comment at the end of the example says; `…` is anything. */
export function assertPrintsItsComment(path: string, output: string): void {
  const source = readFileSync(resolve('examples', path), 'utf8');
  const comment = /(?:\n\/\/[^\n]*)+\n$/.exec(source)?.[0];
  assert.ok(comment !== undefined, `${path} does not end with a comment`);
  const expected = comment.trim().replaceAll(/^\/\/ ?/gm, '');
  const pattern = expected
    .split('…')
    .map((text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^]*?');
  assert.match(output.trim(), new RegExp(`^${pattern}$`), `${path} should print:\n${expected}`);
}

/** What decides how an example runs is set by its test alone. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const own = /^(MALOTE_(ENGINE|STORE|CACHE)|PORT|PAYMENT_DEADLINE|RATES_.*)$/;
  const other = /^(WORKERS|TASKS|MAX_ATTEMPTS|CAPACITY|SEED|NODE_OPTIONS|NO_COLOR|FORCE_COLOR)$/;
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !own.test(name) && !other.test(name)),
  );
}
