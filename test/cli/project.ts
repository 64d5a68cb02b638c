/** Projects with a configuration, and the command line started in them as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join, resolve } from 'node:path';
import { createBus, type TransitionEvent, transitionChannel } from 'malote';
import { sqlite } from 'malote/sqlite';

export const entry: string = resolve('src/cli/malote.ts');
export const nodeArguments: readonly string[] = ['--conditions=malote-source'];

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Start {
  readonly cwd: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** What every configuration of these tests publishes. */
const messages = `
  import { dependency, message } from 'malote';
  import { defineConfig } from 'malote/cli';
  import { memory } from 'malote/memory';
  import { rabbitmq } from 'malote/rabbitmq';
  import { sqlite } from 'malote/sqlite';
  const customer = dependency('customer');
  const schema = {
    '~standard': {
      version: 1 as const,
      vendor: 'by-hand',
      validate: (value: unknown) =>
        typeof value === 'object' && value !== null && 'amount' in value
          ? { value: value as { amount: string; customerId?: string } }
          : { issues: [{ message: 'must have an amount' }] },
    },
  };
  const Payment = message('payment.requested', {
    schema,
    orderBy: (p) => p.customerId ?? 'nobody',
    waitFor: (p) => (p.customerId === undefined ? [] : customer(p.customerId)),
  });
`;

/** A folder whose `malote.config.ts` is this, with `malote` installed. */
export function projectIn(folder: string, name: string, config: string): string {
  const project = join(folder, name);
  mkdirSync(join(project, 'node_modules'), { recursive: true });
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }');
  symlinkSync(resolve('.'), join(project, 'node_modules/malote'), 'junction');
  writeFileSync(join(project, 'malote.config.ts'), `${messages}\n${config}\n`);
  return project;
}

/** A project's `malote.db`, as an application that did nothing has made and left it. */
export async function started(project: string): Promise<void> {
  const engine = sqlite(join(project, 'malote.db'));
  const bus = createBus({ engine, logger: false, handleSignals: false });
  await bus.start();
  await bus.stop();
}

/** The default export of an engine and, unless told, the messages above. */
export function exporting(engine: string, rest = 'messages: [Payment]'): string {
  return `export default defineConfig({ engine: ${engine}, ${rest} });`;
}

export function start(args: readonly string[], { cwd, env = {} }: Start): ChildProcess {
  return spawn(process.execPath, [...nodeArguments, entry, ...args], {
    cwd,
    env: { ...inherited(), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** What Node.js reads to decide how output looks: the machine of a build may set any of them. */
const decidesTheLook = new Set(
  'CI COLORTERM FORCE_COLOR NODE_DISABLE_COLORS NODE_OPTIONS NO_COLOR TEAMCITY_VERSION TMUX'.split(
    ' ',
  ),
);

/** The environment, without what would decide how it looks. */
export function inherited(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !decidesTheLook.has(name)),
  );
}

export async function malote(args: readonly string[], given: Start): Promise<Ended> {
  const child = start(args, given);
  child.stdin?.on('error', () => {}).end(given.input ?? '');
  return await ended(child);
}

export function ended(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', (status) => done({ status, stdout, stderr }));
  });
}

/** Resolves once a bus has told that many of a kind; ask before it begins. */
export function told(bus: string, kind: TransitionEvent['kind'], times: number): Promise<void> {
  let left = times;
  return new Promise((resolved) => {
    const listen = (message: unknown): void => {
      const event = message as TransitionEvent;
      if (event.bus !== bus || event.kind !== kind) return;
      left -= 1;
      if (left > 0) return;
      unsubscribe(transitionChannel, listen);
      resolved();
    };
    subscribe(transitionChannel, listen);
  });
}
