/**
 * A process that handles what plain programs publish. Told to, it dies by SIGKILL where it is about
 * to acknowledge the first message it has forwarded: confirmed in its partition, unacknowledged at
 * the ingress.
 */
import amqp from 'amqplib';
import { createBus, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { dieWithParent, setupOf, tellParent } from '../crash/child.ts';

export interface ReaderSetup {
  readonly url: string;
  readonly namespace: string;
  readonly diesAtAck: boolean;
}

export interface Note {
  readonly key: string;
  readonly number: number;
}

export const Noted = message<Note>('noted', { orderBy: ({ key }) => key });

/** What the driver has for itself: the way on which all of a channel leaves. */
interface Driven {
  readonly ch: number;
  readonly connection: { readonly channels: readonly { readonly buffer: Writable }[] };
}

interface Writable {
  write(bytes: Buffer): boolean;
}

/** Class and method of an acknowledgement. */
const basicAck = 0x003c0050;

/** The driver, which dies in place of what it was asked for. */
async function dieAtFirstAck(url: string): Promise<void> {
  const model = await amqp.connect(url);
  const kind = Object.getPrototypeOf(await model.createChannel()) as amqp.Channel;
  await model.close();
  const { consume } = kind;
  kind.consume = function (this: amqp.Channel, queue, ...rest) {
    if (queue.endsWith('/in')) dieAtAck(this as unknown as Driven);
    return consume.call(this, queue, ...rest);
  };
}

function dieAtAck({ ch, connection }: Driven): void {
  const { buffer } = connection.channels[ch]!;
  const write = buffer.write.bind(buffer);
  buffer.write = (bytes) => {
    if (bytes.readUInt32BE(7) === basicAck) process.kill(process.pid, 'SIGKILL');
    return write(bytes);
  };
}

/** The supervisor imports what is above. */
if (process.argv[2] !== undefined && process.send !== undefined) await main();

async function main(): Promise<void> {
  const { url, namespace, diesAtAck } = setupOf() as ReaderSetup;
  dieWithParent();
  if (diesAtAck) await dieAtFirstAck(url);
  const engine = rabbitmq(url, { namespace, partitions: 2, heartbeat: '1s' });
  const bus = createBus({ engine, logger: false });
  bus.consume(Noted, { name: 'notes', timeout: '1h' }, async ({ data }) => {
    // What is dying soon finishes nothing: all it has forwarded stays on the server.
    if (diesAtAck) await new Promise(() => undefined);
    tellParent({ kind: 'handled', label: `${data.key} ${data.number}` });
  });
  await bus.start();
  tellParent({ kind: 'started' });
}
