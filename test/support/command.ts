/**
 * Runs a program of this repository on the Node the tests run on, and answers what it printed.
 */
import { spawn } from 'node:child_process';
import { delimiter, dirname, resolve } from 'node:path';

export interface Finished {
  readonly status: number | null;
  /** Both streams, in the order they came. */
  readonly output: string;
  readonly stdout: string;
}

export interface CommandOptions {
  readonly cwd?: string;
}

export const bin: Readonly<Record<'tsc' | 'oxlint' | 'biome', string>> = {
  tsc: resolve('node_modules/typescript/bin/tsc'),
  oxlint: resolve('node_modules/oxlint/bin/oxlint'),
  biome: resolve('node_modules/@biomejs/biome/bin/biome'),
};

/** Runs a JavaScript or TypeScript file. */
export function node(args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  return command(process.execPath, args, options);
}

/** Runs npm, whose scripts then find this Node and the tools of this repository. */
export function npm(args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  return command('npm', args, options);
}

/** Runs a shell command; what follows it are its arguments, from `$0` on. */
export function shell(line: string, ...args: readonly string[]): Promise<Finished> {
  return command('/bin/sh', ['-c', line, ...args], {});
}

function command(
  program: string,
  args: readonly string[],
  { cwd }: CommandOptions,
): Promise<Finished> {
  const path = [dirname(process.execPath), resolve('node_modules/.bin'), process.env['PATH']];
  const child = spawn(program, args, {
    cwd,
    env: { ...withoutNpm(process.env), PATH: path.join(delimiter), NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (status) => done({ status, output, stdout }));
  });
}

/** `npm test` tells its children about itself; an npm started below it must not listen. */
function withoutNpm(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = /^(npm_(?!config_(registry|cache|userconfig))|NODE_OPTIONS$|FORCE_COLOR$)/i;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !own.test(name)));
}
