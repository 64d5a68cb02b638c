/** The RabbitMQ engine keeps every promise it makes, over a real server of its own. */
import { runConformance } from 'malote/testing';
import { afterAll, test } from 'vitest';
import { namespaces } from '../rabbitmq/namespace.ts';
import { isInstalled, startServer } from '../rabbitmq/server.ts';
import { seeds } from './seeds.ts';

if (isInstalled()) {
  const server = await startServer();
  const all = await namespaces(server.url);
  afterAll(async () => {
    await all.close();
    await server.stop();
  });

  runConformance({
    engine: () => all.engine(),
    test,
    seeds,
    patience: { virtualMs: 1_500, realMs: 4_000, quietMs: 40 },
  });
} else {
  test('rabbitmq is not installed', () => undefined);
}
