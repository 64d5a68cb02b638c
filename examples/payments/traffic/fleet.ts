/**
 * The processes of a run: the same programs that `npm run app`, `relay`, `worker` and `rates`
 * start, each with a log of its own, killed and replaced on demand.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Fleet {
  /** Starts a process, or its successor, and answers what the pattern caught in its output. */
  start(name: string, given: Start): Promise<string>;
  /** SIGKILL, and the same again once it is gone. */
  replace(name: string): Promise<void>;
  /** SIGTERM to all; answers the names of those that did not end well. */
  stop(): Promise<readonly string[]>;
}

export interface Start {
  readonly program: string;
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What it says once it is at work. */
  readonly ready: RegExp;
}

interface Living {
  readonly given: Start;
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
}

/** @param folder - of the logs */
export function createFleet(folder: string, common: NodeJS.ProcessEnv): Fleet {
  const living = new Map<string, Living>();
  const examples = join(import.meta.dirname, '..');
  mkdirSync(folder, { recursive: true });

  async function start(name: string, given: Start): Promise<string> {
    const { program, args = [], environment = {}, ready } = given;
    const file = join(examples, program);
    const child = spawn(process.execPath, ['--conditions=malote-source', file, ...args], {
      env: { ...common, ...environment },
      // The channel ends with this process, and the child with the channel.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const ended = once(child, 'close').then(([code]) => code as number | null);
    living.set(name, { given, child, ended });
    const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' });
    return await new Promise((done, failed) => {
      let said = '';
      for (const stream of [child.stdout!, child.stderr!]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          log.write(text);
          if (said.length < 10_000) said += text;
          const found = ready.exec(said);
          if (found !== null) done(found[1] ?? '');
        });
      }
      void ended.then(() => failed(new Error(`${name} ended:\n${said}`)));
    });
  }

  return {
    start,
    async replace(name) {
      const { given, child, ended } = living.get(name)!;
      child.kill('SIGKILL');
      await ended;
      await start(name, given);
    },
    async stop() {
      const all = [...living];
      for (const [, { child }] of all) child.kill('SIGTERM');
      const codes = await Promise.all(all.map(([, { ended }]) => ended));
      return all.flatMap(([name], index) => (codes[index] === 0 ? [] : [name]));
    },
  };
}
