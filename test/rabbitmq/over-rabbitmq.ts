/** Tests over a private server, which runs from the first to the last of them. */
import assert from 'node:assert/strict';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { isInstalled, startServer, type Server, type ServerOptions } from './server.ts';

/** Where RabbitMQ is not installed, the tests are one that did not run. */
export function overRabbitmq(
  define: (server: () => Server) => void,
  options: ServerOptions = {},
): void {
  const isThere = isInstalled();
  const tests = isThere ? withServer : missing;
  describe.runIf(isThere)('over a RabbitMQ server', () => {
    tests(define, options);
  });
}

function withServer(define: (server: () => Server) => void, options: ServerOptions): void {
  let server: Server | null = null;
  beforeAll(async () => void (server = await startServer(options)), 60_000);
  afterAll(() => server?.stop());
  define(() => server ?? notStarted);
}

/** Stands for a server until it runs: an engine can be made of it, and not opened. */
const notStarted = { url: 'amqp://127.0.0.1:1' } as Server;

function missing(): void {
  test('all of them', () => assert.fail('there is no server'));
}
