/**
 * A server that only greets: it opens every connection, says of itself what it is told to, and
 * answers nothing else. For versions that cannot be installed beside each other.
 */
import { createServer, type AddressInfo } from 'node:net';

export interface Greeting {
  readonly version: string;
  readonly frameMax?: number;
  readonly channelMax?: number;
}

export interface Greeter {
  readonly url: string;
  /** Connections that were opened until now. */
  readonly opened: number;
  close(): Promise<void>;
}

const connection = 10;
const method = { start: 10, startOk: 11, tune: 30, open: 40, openOk: 41, close: 50, closeOk: 51 };

export async function startGreeter(greeting: Greeting): Promise<Greeter> {
  let opened = 0;
  const listener = createServer((socket) => {
    let rest = Buffer.alloc(0);
    let isGreeted = false;
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      // The client names the protocol in eight bytes, and sends frames from then on.
      if (!isGreeted && rest.length >= 8) {
        isGreeted = true;
        rest = rest.subarray(8);
        socket.write(frameOf(method.start, startOf(greeting.version)));
      }
      for (let size = sizeOf(rest); isGreeted && size !== null; size = sizeOf(rest)) {
        const asked = rest.readUInt16BE(9);
        rest = rest.subarray(size);
        if (asked === method.startOk) socket.write(frameOf(method.tune, tuneOf(greeting)));
        if (asked === method.close) socket.end(frameOf(method.closeOk, Buffer.alloc(0)));
        if (asked !== method.open) continue;
        opened += 1;
        socket.write(frameOf(method.openOk, Buffer.of(0)));
      }
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    url: `amqp://guest:guest@127.0.0.1:${(listener.address() as AddressInfo).port}`,
    get opened() {
      return opened;
    },
    close: () => new Promise((resolve) => void listener.close(() => resolve())),
  };
}

/** Of the first frame; null until it is whole. */
function sizeOf(bytes: Buffer): number | null {
  if (bytes.length < 7) return null;
  const size = 7 + bytes.readUInt32BE(3) + 1;
  return bytes.length < size ? null : size;
}

function frameOf(name: number, fields: Buffer): Buffer {
  const head = Buffer.alloc(11);
  head.writeUInt8(1, 0);
  head.writeUInt32BE(fields.length + 4, 3);
  head.writeUInt16BE(connection, 7);
  head.writeUInt16BE(name, 9);
  return Buffer.concat([head, fields, Buffer.of(0xce)]);
}

function startOf(version: string): Buffer {
  const confirms = tableOf([['publisher_confirms', Buffer.from('t\u0001', 'latin1')]]);
  const properties = tableOf([
    ['product', Buffer.concat([Buffer.from('S'), longText('RabbitMQ')])],
    ['version', Buffer.concat([Buffer.from('S'), longText(version)])],
    ['capabilities', Buffer.concat([Buffer.from('F'), confirms])],
  ]);
  return Buffer.concat([Buffer.of(0, 9), properties, longText('PLAIN'), longText('en_US')]);
}

function tuneOf({ frameMax = 131_072, channelMax = 2_047 }: Greeting): Buffer {
  const fields = Buffer.alloc(8);
  fields.writeUInt16BE(channelMax, 0);
  fields.writeUInt32BE(frameMax, 2);
  fields.writeUInt16BE(60, 6);
  return fields;
}

function tableOf(entries: readonly (readonly [name: string, value: Buffer])[]): Buffer {
  const written = entries.flatMap(([name, value]) => [
    Buffer.of(name.length),
    Buffer.from(name),
    value,
  ]);
  return longBytes(Buffer.concat(written));
}

function longText(text: string): Buffer {
  return longBytes(Buffer.from(text));
}

function longBytes(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}
