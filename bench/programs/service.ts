/** One process of the payments example, started as `npm start` does it and spoken to over HTTP. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Service {
  post(path: string, body: object, expected: number): Promise<void>;
  statusOf(paymentId: string): Promise<string>;
  stop(): Promise<void>;
}

const entry = fileURLToPath(new URL('../../examples/payments/main.ts', import.meta.url));
const greeting = /^payments listens on ([^ ,]+),/;

/** @param read - is given every line that the service prints from its start on */
export async function startService(file: string, read: (line: string) => void): Promise<Service> {
  const child = spawn(process.execPath, ['--conditions=malote-source', entry], {
    env: { ...process.env, PORT: '0', MALOTE_ENGINE: `sqlite:${file}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // Whatever ends this process ends the service with it.
  process.once('exit', () => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
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
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
