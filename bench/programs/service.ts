/** One process of the payments example, started as `npm start` does it or by it, and spoken to. */

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Service {
  post(path: string, body: object, expected: number): Promise<void>;
  statusOf(paymentId: string): Promise<string>;
  /** The status that its door for load balancers answers. */
  readiness(): Promise<number>;
  stop(): Promise<void>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const entry = fileURLToPath(new URL('../../examples/payments/main.ts', import.meta.url));
const isWindows = process.platform === 'win32';
const greeting = /^payments listens on ([^ ,]+),/;

/** @param read - is given every line that the service prints from its start on */
export function startService(file: string, read: (line: string) => void): Promise<Service> {
  return open(process.execPath, ['--conditions=malote-source', entry], file, read);
}

/** @param read - as for `startService` */
export function startByNpm(file: string, read: (line: string) => void): Promise<Service> {
  return open('npm', ['start'], file, read);
}

async function open(
  program: string,
  args: readonly string[],
  file: string,
  read: (line: string) => void,
): Promise<Service> {
  const child = spawn(program, args, {
    cwd: root,
    // npm starts a shell that starts the service: a signal is for all of them.
    detached: !isWindows,
    shell: isWindows,
    env: {
      ...process.env,
      PORT: '0',
      MALOTE_STORE: `sqlite:${file}`,
      MALOTE_ENGINE: `sqlite:${file}-messages`,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Whatever ends this process ends the service with it.
  process.once('exit', () => signal(child, 'SIGKILL'));
  // All of them: each has the end of the pipe that it prints to.
  const ended = once(child, 'close');
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, listening] = greeting.exec(line) ?? [];
      if (listening !== undefined) resolve(listening);
      read(line);
    });
    child.once('exit', () => reject(new Error('the payments service ended at its start')));
  });
  return {
    async post(path, body, expected) {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      });
      assert.equal(response.status, expected, await response.text());
    },
    async statusOf(paymentId) {
      const response = await fetch(`${url}/payments/${paymentId}`);
      return ((await response.json()) as { status: string }).status;
    },
    readiness: async () => (await fetch(`${url}/readyz`)).status,
    async stop() {
      signal(child, 'SIGTERM');
      await ended;
    },
  };
}

function signal(child: ChildProcess, name: 'SIGTERM' | 'SIGKILL'): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  if (isWindows || child.pid === undefined) child.kill(name);
  else process.kill(-child.pid, name);
}
