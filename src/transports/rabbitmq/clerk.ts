/**
 * What was at work in processes that died.
 *
 * A session writes its ledger, the list of everything it has out, before it hands anything out. One
 * session at a time, the clerk, reads all of them, and keeps what each was told last: a whole list
 * with what continues it. Who is given a message for the second time asks the clerk, in the same
 * queue: so the answer knows everything the dead had written. When the clerk dies, the next one is
 * given all that it kept.
 *
 * A message that was at work and is given back is taken off the ledger first, and that is
 * confirmed. So if the last ledger of a session lists a message that came again, the session died,
 * or lost its connection, with it. What nobody had at work is given back with a note: see
 * `given-back.ts`.
 */

import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { systemClock, type Timer } from '../../clock.ts';
import type { Suspicion } from '../../transport/transport.ts';
import { ackUnlessClosed } from './ack-book.ts';
import { whenClosed } from './driver.ts';
import { cutOff } from './failures.ts';
import { createGivenBack, hashIn, type GivenBack } from './given-back.ts';
import type { Names } from './names.ts';
import type { Publisher } from './publisher.ts';
import { wholeQueue } from './settings.ts';
import type { Heard } from './wire-format.ts';

export interface Verdict {
  readonly suspicion: Suspicion;
  /** The ledgers that list the message: they are counted now. */
  readonly heard: readonly Heard[];
  /** Who had it before did nothing with it but give it back; nobody else was told so. */
  readonly wasGivenBack: boolean;
}

export interface Question {
  readonly hash: number;
  /** What was counted before. */
  readonly heard: readonly Heard[];
}

/** One message to the clerk. */
export interface LedgerEntry {
  /** The number of the entry this one continues; null: it is the whole list. */
  readonly after: number | null;
  readonly added: readonly number[];
  readonly removed: readonly number[];
}

export const emptyLedger: LedgerEntry = { after: null, added: [], removed: [] };

export interface Clerk {
  /** Resolves when it is stored. */
  write(entry: LedgerEntry, isUrgent?: boolean): Promise<void>;
  /** The number of the last entry written. */
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
  isOpen(): boolean;
  /** Grows for as long as the session lives, over all its connections. */
  readonly nextNumber: () => number;
  /** For how long a message may stay unacknowledged; milliseconds. */
  longestUnacked(): number;
  /** Sends an answer to a session. */
  tell(session: string, message: object): Promise<boolean>;
  broken(reason: string): void;
}

interface Kept {
  readonly session: string;
  readonly process: string;
  /** Of the last entry. */
  number: number;
  keptAt: number;
  /** What it was told with, not acknowledged: the next clerk is given it. */
  readonly messages: ConsumeMessage[];
  /** What these list together, once somebody has asked. */
  hashes: ReadonlySet<number> | null;
}

interface Answer {
  readonly kind: 'verdicts';
  readonly id: string;
  readonly verdicts: readonly Verdict[];
}

/** Ledgers of the dead that are kept; what nobody asked about by then was acknowledged long ago. */
const mostLedgers = 256;
const mostGivenBack = 10_000;
const patienceMs = 2_000;

export async function startClerk(options: ClerkOptions): Promise<Clerk> {
  const { publisher, names, session, process, newId } = options;
  const asked = new Map<string, (verdicts: readonly Verdict[]) => void>();
  await keepLedgers(options);
  let number = 0;
  const send = (
    headers: Record<string, string | number>,
    body: Buffer,
    isUrgent = false,
  ): Promise<void> =>
    publisher.send({
      exchange: '',
      key: names.ledgers,
      body,
      properties: { messageId: newId(), persistent: false, headers },
      isUrgent,
    });
  return {
    get number() {
      return number;
    },
    write({ after, added, removed }, isUrgent) {
      number = options.nextNumber();
      const continued = after === null ? {} : { after, removed: removed.length };
      const body = Buffer.from(new Float64Array(removed.concat(added)).buffer);
      return send({ session, process, number, ...continued }, body, isUrgent);
    },
    async ask(questions) {
      for (;;) {
        if (!options.isOpen()) throw cutOff();
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

async function keepLedgers(options: ClerkOptions): Promise<void> {
  const { model, names, tell, broken } = options;
  const ledgers = new Map<string, Kept>();
  const channel = await model.createChannel();
  const givenBack = createGivenBack({
    most: mostGivenBack,
    forgotten: (note) => ackUnlessClosed(channel, note),
  });
  const arm = (): Timer => systemClock.setTimer(renew, options.longestUnacked() / 2).unref();
  let renewal = arm();
  function renew(): void {
    renewLedgers(options, ledgers);
    givenBack.forgetUntil(systemClock.monotonic() - options.longestUnacked());
    renewal = arm();
  }
  whenClosed(channel, (because) => {
    renewal.cancel();
    broken(`the channel of the clerk was closed${because}`);
  });
  await channel.prefetch(wholeQueue);
  await channel.consume(names.ledgers, (message) => {
    if (message === null) {
      broken(`"${names.ledgers}" was deleted`);
      return;
    }
    const headers = message.properties.headers as Readonly<Record<string, unknown>>;
    const { asker } = headers;
    const hash = hashIn(message);
    if (hash !== null) {
      givenBack.note(hash, message, systemClock.monotonic());
      return;
    }
    if (typeof asker !== 'string') {
      keep(ledgers, channel, message);
      return;
    }
    const questions = JSON.parse(message.content.toString('utf8')) as Question[];
    const verdicts = questions.map((question) => judge({ ledgers, givenBack }, question, asker));
    const answer: Answer = { kind: 'verdicts', id: String(headers['id']), verdicts };
    // A question that was not acknowledged is answered once more, by the next clerk.
    void tell(asker, answer).then(() => ackUnlessClosed(channel, message));
  });
}

/** Ledgers that stand for long are written anew: see `longestUnackedMs`. */
function renewLedgers(
  { publisher, names, newId, longestUnacked }: ClerkOptions,
  ledgers: ReadonlyMap<string, Kept>,
): void {
  const oldest = systemClock.monotonic() - longestUnacked();
  for (const kept of ledgers.values()) {
    const { session, process, number, keptAt } = kept;
    if (keptAt > oldest) continue;
    const headers = { session, process, number };
    const body = Buffer.from(new Float64Array(hashesOf(kept)).buffer);
    const properties = { messageId: newId(), persistent: false, headers };
    publisher.put({ exchange: '', key: names.ledgers, body, properties }, ignore);
  }
}

/** One that could not be written is written the next time, or by the next clerk. */
const ignore = (): void => undefined;

function keep(ledgers: Map<string, Kept>, channel: Channel, message: ConsumeMessage): void {
  const headers = message.properties.headers as Readonly<Record<string, unknown>>;
  const session = String(headers['session']);
  const number = Number(headers['number']);
  const before = ledgers.get(session);
  if (before !== undefined && before.number > number) {
    channel.ack(message);
    return;
  }
  const process = String(headers['process']);
  // Nothing comes between the entries of a session; should one be missing all the same, what the
  // others say still holds.
  const kept =
    typeof headers['after'] === 'number' && before !== undefined
      ? before
      : { session, process, number, keptAt: 0, messages: [], hashes: null };
  if (kept !== before) for (const old of before?.messages ?? []) channel.ack(old);
  kept.number = number;
  kept.keptAt = systemClock.monotonic();
  kept.messages.push(message);
  kept.hashes = null;
  // In the order in which they were heard from.
  ledgers.delete(session);
  if (listOf(message).added.length > 0 || hashesOf(kept).size > 0) ledgers.set(session, kept);
  else drop(kept, channel);
  if (ledgers.size <= mostLedgers) return;
  const [oldest] = ledgers.values();
  ledgers.delete(oldest!.session);
  drop(oldest!, channel);
}

function drop({ messages }: Kept, channel: Channel): void {
  for (const message of messages) channel.ack(message);
}

interface Known {
  readonly ledgers: ReadonlyMap<string, Kept>;
  readonly givenBack: GivenBack;
}

function judge({ ledgers, givenBack }: Known, { hash, heard }: Question, asker: string): Verdict {
  const wasGivenBack = givenBack.take(hash);
  const counted = new Map(heard);
  let last: Kept | null = null;
  const listing: Heard[] = [];
  for (const ledger of ledgers.values()) {
    // Whoever asks is alive: its own ledger accuses nobody.
    if (ledger.session === asker || !hashesOf(ledger).has(hash)) continue;
    listing.push([ledger.session, ledger.number]);
    if ((counted.get(ledger.session) ?? -1) < ledger.number) last = ledger;
  }
  if (last === null) return { suspicion: 'none', heard: listing, wasGivenBack };
  let together = 0;
  for (const ledger of ledgers.values()) {
    if (ledger.process === last.process) together += hashesOf(ledger).size;
  }
  return { suspicion: together === 1 ? 'alone' : 'beside', heard: listing, wasGivenBack };
}

/** Put together when it is asked for: most ledgers are replaced before anybody asks. */
function hashesOf(kept: Kept): ReadonlySet<number> {
  if (kept.hashes !== null) return kept.hashes;
  const hashes = new Set<number>();
  for (const message of kept.messages) {
    const { removed, added } = listOf(message);
    for (const hash of removed) hashes.delete(hash);
    for (const hash of added) hashes.add(hash);
  }
  kept.hashes = hashes;
  return hashes;
}

function listOf({ content, properties }: ConsumeMessage): {
  readonly removed: Float64Array;
  readonly added: Float64Array;
} {
  const { buffer, byteOffset, byteLength } = content;
  const all = new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength));
  const { removed } = properties.headers as Readonly<Record<string, unknown>>;
  const from = typeof removed === 'number' ? removed : 0;
  return { removed: all.subarray(0, from), added: all.subarray(from) };
}
