/** What acknowledgements on the wire say: frames of a method, as AMQP 0-9-1 has them (2.3.5). */

const ackBytes = 21;

export interface Ack {
  readonly channel: number;
  readonly tag: number;
  /** For all before it as well. */
  readonly isRun: boolean;
}

export function acksIn(bytes: Buffer): Ack[] {
  const acks: Ack[] = [];
  for (let at = 0; at < bytes.length; at += ackBytes) {
    const [type, length] = [bytes[at], bytes.readUInt32BE(at + 3)];
    const [mark, name] = [bytes[at + ackBytes - 1], bytes.toString('hex', at + 7, at + 11)];
    if (type !== 1 || length !== 13 || name !== '003c0050' || mark !== 0xce) {
      throw new Error(`no ack: ${bytes.toString('hex', at, at + ackBytes)}`);
    }
    const tag = Number(bytes.readBigUInt64BE(at + 11));
    acks.push({ channel: bytes.readUInt16BE(at + 1), tag, isRun: bytes[at + 19] === 1 });
  }
  return acks;
}
