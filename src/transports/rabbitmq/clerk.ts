/**
 * What was at work in processes that died.
 *
 * A session writes a ledger, the list of everything it has out, before it hands anything out. One
 * session at a time, the clerk, reads all of them and keeps the last one of each. Who is given a
 * message for the second time asks the clerk, in the same queue: so the answer knows everything
 * the dead had written. When the clerk dies, the next one is given all that it kept.
 *
 * A message that is given back is taken off the ledger first, and that is confirmed. So if the last
 * ledger of a session lists a message that came again, the session died, or lost its connection,
 * with it.
 */

import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { systemClock } from '../../clock.ts';
import type { Suspicion } from '../../transport/transport.ts';
import type { Names } from './names.ts';
import type { Publisher } from './publisher.ts';
import { wholeQueue } from './settings.ts';
import type { Heard } from './wire-format.ts';

export interface Verdict {
  readonly suspicion: Suspicion;
  /** The ledgers that list the message: they are counted now. */
  readonly heard: readonly Heard[];
}

export interface Question {
  readonly hash: number;
  /** What was counted before. */
  readonly heard: readonly Heard[];
}

export interface Clerk {
  /** Resolves when it is stored. */
  write(hashes: readonly number[]): Promise<void>;
  /** The number of the last ledger written. */
  readonly number: number;
  ask(questions: readonly Question[]): Promise<readonly Verdict[]>;
  answered(message: unknown): void;
}

export interface ClerkOptions {
  readonly model: ChannelModel;
  readonly publisher: Publisher;
  readonly names: Names;
  readonly session: string;
  readonly process: string;
  readonly newId: () => string;
  /** Sends an answer to a session. */
  tell(session: string, message: object): Promise<boolean>;
  broken(reason: string): void;
}

interface Ledger {
  readonly session: string;
  readonly process: string;
  readonly number: number;
  readonly hashes: ReadonlySet<number>;
  readonly size: number;
  readonly message: ConsumeMessage;
}

interface Answer {
  readonly kind: 'verdicts';
  readonly id: string;
  readonly verdicts: readonly Verdict[];
}

/** Ledgers of the dead that are kept; what nobody asked about by then was acknowledged long ago. */
const mostLedgers = 256;
const patienceMs = 2_000;

export async function startClerk(options: ClerkOptions): Promise<Clerk> {
  const { publisher, names, session, process, newId } = options;
  const asked = new Map<string, (verdicts: readonly Verdict[]) => void>();
  await keepLedgers(options);
  let number = 0;
  const send = (headers: Record<string, string | number>, body: Buffer): Promise<void> =>
    publisher.send({
      exchange: '',
      key: names.ledgers,
      body,
      properties: { messageId: newId(), persistent: false, headers },
    });
  return {
    get number() {
      return number;
    },
    write(hashes) {
      number += 1;
      const body = Buffer.from(new Float64Array(hashes).buffer);
      return send({ session, process, number }, body);
    },
    async ask(questions) {
      for (;;) {
        const id = newId();
        const answer = new Promise<readonly Verdict[] | null>((resolve) => {
          asked.set(id, resolve);
          // A clerk that was cut off has not answered; the next one may.
          systemClock.setTimer(() => resolve(null), patienceMs).unref();
        });
        await send({ asker: session, id }, Buffer.from(JSON.stringify(questions)));
        const verdicts = await answer;
        asked.delete(id);
        if (verdicts !== null) return verdicts;
      }
    },
    answered(message) {
      const { kind, id, verdicts } = message as Answer;
      if (kind === 'verdicts') asked.get(id)?.(verdicts);
    },
  };
}

async function keepLedgers({ model, names, tell, broken }: ClerkOptions): Promise<void> {
  const ledgers = new Map<string, Ledger>();
  const channel = await model.createChannel();
  channel.on('error', () => undefined);
  channel.on('close', () => broken('the channel of the clerk was closed'));
  await channel.prefetch(wholeQueue);
  await channel.consume(names.ledgers, (message) => {
    if (message === null) {
      broken(`"${names.ledgers}" was deleted`);
      return;
    }
    const headers = message.properties.headers as Readonly<Record<string, unknown>>;
    const { asker } = headers;
    if (typeof asker !== 'string') {
      keep(ledgers, channel, message);
      return;
    }
    const questions = JSON.parse(message.content.toString('utf8')) as Question[];
    const verdicts = questions.map((question) => judge(ledgers, question, asker));
    const answer: Answer = { kind: 'verdicts', id: String(headers['id']), verdicts };
    void tell(asker, answer).then(() => channel.ack(message));
  });
}

function keep(ledgers: Map<string, Ledger>, channel: Channel, message: ConsumeMessage): void {
  const { content, properties } = message;
  const headers = properties.headers as Readonly<Record<string, unknown>>;
  const session = String(headers['session']);
  const hashes = numbersOf(content);
  const ledger: Ledger = {
    session,
    process: String(headers['process']),
    number: Number(headers['number']),
    hashes: new Set(hashes),
    size: hashes.length,
    message,
  };
  const before = ledgers.get(session);
  if (before !== undefined && before.number > ledger.number) {
    channel.ack(message);
    return;
  }
  if (before !== undefined) channel.ack(before.message);
  ledgers.delete(session);
  if (ledger.size === 0) {
    channel.ack(message);
    return;
  }
  ledgers.set(session, ledger);
  if (ledgers.size <= mostLedgers) return;
  const [oldest] = ledgers.values();
  ledgers.delete(oldest!.session);
  channel.ack(oldest!.message);
}

function judge(
  ledgers: ReadonlyMap<string, Ledger>,
  { hash, heard }: Question,
  asker: string,
): Verdict {
  const counted = new Map(heard);
  let last: Ledger | null = null;
  const listing: Heard[] = [];
  for (const ledger of ledgers.values()) {
    // Whoever asks is alive: its own ledger accuses nobody.
    if (ledger.session === asker || !ledger.hashes.has(hash)) continue;
    listing.push([ledger.session, ledger.number]);
    if ((counted.get(ledger.session) ?? -1) < ledger.number) last = ledger;
  }
  if (last === null) return { suspicion: 'none', heard: listing };
  let together = 0;
  for (const { process, size } of ledgers.values()) if (process === last.process) together += size;
  return { suspicion: together === 1 ? 'alone' : 'beside', heard: listing };
}

function numbersOf(content: Buffer): number[] {
  const { buffer, byteOffset, byteLength } = content;
  const copy = buffer.slice(byteOffset, byteOffset + byteLength);
  return [...new Float64Array(copy as ArrayBuffer)];
}
