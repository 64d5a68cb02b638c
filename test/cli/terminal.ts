/** The command line at a terminal, which `script` of util-linux makes: both streams come as one. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { testEngine } from '../support/environment.ts';
import { entry, inherited, nodeArguments, type Start } from './project.ts';

const isThere = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0;
export const hasTerminal: boolean = testEngine('a terminal', isThere, 'apt install bsdutils');

export interface Terminal {
  /** All that it has shown so far, controls included. */
  readonly shown: string;
  /** Resolves once it has shown that; rejects where it ends before. */
  until(text: string): Promise<void>;
  type(keys: string): void;
  /** Resolves to the exit code. */
  readonly ended: Promise<number | null>;
}

export interface Sitting extends Omit<Start, 'input'> {
  readonly columns?: number;
  /** A file that standard output goes to, in place of the screen. */
  readonly into?: string;
}

export function atTerminal(args: readonly string[], given: Sitting): Terminal {
  const { cwd, env = {}, columns = 80, into } = given;
  const words = [process.execPath, ...nodeArguments, entry, ...args].map(quoted).join(' ');
  const redirected = into === undefined ? words : `${words} > ${quoted(into)}`;
  const line = `stty cols ${columns} -echo; exec ${redirected}`;
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    cwd,
    env: { ...inherited(), TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return terminalOf(child);
}

function terminalOf(child: ChildProcess): Terminal {
  let shown = '';
  const ended = once(child, 'close').then(([status]) => status as number | null);
  const seen = child.stdout!.setEncoding('utf8');
  seen.on('data', (text: string) => (shown += text));
  return {
    get shown() {
      return shown;
    },
    async until(text) {
      while (!shown.includes(text)) {
        const over = ended.then(() => true);
        const isOver = await Promise.race([over, once(seen, 'data').then(() => false)]);
        if (isOver && !shown.includes(text)) throw new Error(`it ended before ${text}:\n${shown}`);
      }
    },
    type: (keys) => void child.stdin!.write(keys),
    ended,
  };
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
