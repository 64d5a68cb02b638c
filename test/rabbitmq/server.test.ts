/** A private server ends with the process that started it, by whatever signal that one dies. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, onTestFailed, test } from 'vitest';
import { isInstalled } from './server.ts';

const timeout = 60_000;

describe.skipIf(!isInstalled())('a private server', () => {
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    test(`ends with a process that dies by ${signal}`, { timeout }, async () => {
      const parent = spawn(process.execPath, [resolve('test/rabbitmq/child-server.ts')], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
      const [pid = 0, port = 0] = line.split(' ').map(Number);
      onTestFailed(() => void process.kill(-pid, 'SIGKILL'));
      const connection = connect(port, '127.0.0.1').resume();
      await once(connection, 'connect');
      // By a reset as well: its server is killed.
      const closed = new Promise((done) => connection.on('error', () => {}).once('close', done));

      parent.kill(signal);

      assert.deepEqual(await once(parent, 'exit'), [null, signal]);
      await closed;
    });
  }
});
