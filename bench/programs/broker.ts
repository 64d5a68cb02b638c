/**
 * A private RabbitMQ server for one run, begun empty: one that has served others before is larger
 * and slower, and who came after whom would count.
 */

import { isInstalled, startServer, type Server } from '../../test/rabbitmq/server.ts';
import { Absent } from '../scenario.ts';
import { measureServer } from './measure.ts';

/** Far from where the server would make publishers wait. */
const settings = ['vm_memory_high_watermark.absolute = 4GB'];

export async function withServer<Result>(
  run: (server: Server) => Promise<Result>,
): Promise<Result> {
  if (!isInstalled()) throw new Absent('RabbitMQ is not installed');
  const server = await startServer({ settings });
  // An ended process takes its server along, however it is asked to end.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  measureServer(() => server.pid);
  try {
    return await run(server);
  } finally {
    await server.stop();
  }
}
