/**
 * The inbox of one consumer: which of its messages were processed, and the one way their effects
 * are stored. Looks of one turn go to the store as one.
 */

import { MaloteError, optionInvalid } from '../errors.ts';
import { checkNames } from '../message/checks.ts';
import { type Duration, toMs } from '../message/duration.ts';
import { delayMs } from '../policy/backoff.ts';
import type { Arrival, EffectOutcome, Recollection, Work } from '../transport/effects.ts';
import type { Delivery, Engine } from '../transport/transport.ts';
import { effectsOf } from './inside.ts';
import type { Link } from './link.ts';
import type { Handling } from './options.ts';

export interface InboxOptions {
  /**
   * How long a message is known after it was processed. At least the longest retry and a day, in
   * which its dead letter may be sent back. @defaultValue '7d'
   */
  readonly keep?: Duration;
}

export interface Inbox {
  /** Whether its effect and its ack are stored in one step. */
  readonly acks: boolean;
  /** What is known of a message that was processed before; null when it was not. */
  recall(delivery: Delivery): Promise<Recollection | null>;
  run(delivery: Delivery, work: (tx: unknown) => Work): Promise<EffectOutcome>;
}

const redriveMs = 24 * 3_600_000;
export const defaultKeep: Duration = '7d';

/** @param databases - the store, else the engine: what the inbox may be in */
export function resolveInbox(
  where: string,
  given: boolean | InboxOptions | Engine<unknown> | undefined,
  { handling, database }: { readonly handling: Handling; readonly database: Engine<unknown> },
): { readonly keepMs: number } | null {
  if (given === undefined || given === false) return null;
  if (!database.capabilities.transactions) throw noDatabase(where, database);
  const options = given === true || isEngine(given) ? {} : given;
  if (isEngine(given) && given.address !== database.address) {
    throw optionInvalid(
      `${where}: inbox`,
      "the bus's store, or its engine where it has none",
      given.name,
    );
  }
  checkNames(`${where}: inbox`, options, ['keep']);
  const leastMs = longestRetryMs(handling) + redriveMs;
  const keepMs = toMs(options.keep ?? defaultKeep, `${where}: inbox.keep`);
  if (keepMs >= leastMs) return { keepMs };
  throw new MaloteError(
    'OPTION_INVALID',
    `${where}: inbox.keep must be at least ${leastMs} ms (its longest retry and a day for ` +
      `redriving), got ${keepMs}; a message that comes after it would have its effect again`,
  );
}

function longestRetryMs({ retry, timeoutMs }: Handling): number {
  let sum = retry.attempts * timeoutMs;
  const { backoff, attempts } = retry;
  for (let attempt = 1; attempt < attempts; attempt++) sum += delayMs(backoff, attempt, 1);
  return sum;
}

function isEngine(given: object | boolean): given is Engine<unknown> {
  return typeof given === 'object' && 'open' in given;
}

function noDatabase(where: string, { name }: Engine<unknown>): MaloteError {
  return new MaloteError(
    'CAPABILITY_MISSING',
    `${where}: inbox needs a store, or an engine, that is a database, got ${name}`,
  );
}

interface Look {
  readonly arrival: Arrival;
  resolve(known: Recollection | null): void;
  reject(error: unknown): void;
}

export function createInbox(options: {
  readonly link: Link<unknown>;
  readonly keepMs: number;
  readonly acks: boolean;
  /** Whether tokens of deliveries grow, whoever has them. */
  readonly fencing: boolean;
}): Inbox {
  const { link, keepMs, acks, fencing } = options;
  let looks: Look[] = [];

  function arrivalOf({ subscription, topic, id, lease, attempt, suspicion }: Delivery): Arrival {
    const mayRunElsewhere = attempt > 1 || suspicion !== 'none';
    const repeated = !acks && fencing && mayRunElsewhere;
    return { subscription, topic, id, token: lease.token, repeated, keepMs };
  }

  async function look(): Promise<void> {
    const asked = looks;
    looks = [];
    try {
      const effects = effectsOf(link.transport ?? (await link.open()));
      const known = await effects.recall(asked.map(({ arrival }) => arrival));
      asked.forEach(({ resolve }, index) => resolve(known[index]!));
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }

  return {
    acks,
    recall(delivery) {
      return new Promise((resolve, reject) => {
        looks.push({ arrival: arrivalOf(delivery), resolve, reject });
        if (looks.length === 1) queueMicrotask(() => void look());
      });
    },
    async run(delivery, work) {
      const effects = effectsOf(link.transport ?? (await link.open()));
      const receipt = arrivalOf(delivery);
      return await effects.run({ receipt, delivery: acks ? delivery : null, work });
    },
  };
}
