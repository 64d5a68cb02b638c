/**
 * A publisher of a campaign: 40 keys at once, each waiting for its answers, and messages without
 * order beside them. Opens first what the processes before it in its place left closed.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { MaloteError } from 'malote';
import { busAt } from './arena.ts';
import { slotOf } from './campaign-record.ts';
import { type CampaignSetup, dieWithParent, setupOf, tellParent, untilFree } from './child.ts';
import { type Announced, now, openHistory, readHistories, unconfirmedFacts } from './history.ts';
import { createLoad, fact, keys, mailSent, type Note, orderPlaced } from './load.ts';

const { engine, name, histories, seed, leaseMs } = setupOf() as CampaignSetup;
const left = unconfirmedFacts(readHistories(histories, `${slotOf(name)}.`));
const write = openHistory(histories, name);
const next = createLoad(seed, name);
const bus = busAt(engine, { lease: leaseMs, logger: false });
let stopping = false;

async function open(facts: readonly string[]): Promise<void> {
  if (facts.length === 0) return;
  write({ f: 'fulfil', at: now(), facts });
  const keysOf = facts.map((one) => fact(one));
  await untilFree(() => bus.fulfil(...keysOf), busy);
  write({ f: 'fulfilled', at: now(), facts });
}

async function publish(messages: readonly Announced[]): Promise<void> {
  const { topic, delayMs } = messages[0]!;
  const type = topic === mailSent.name ? mailSent : orderPlaced;
  write({ f: 'publish', at: now(), messages });
  if (messages.length > 1) {
    const results = await bus.publishMany(type, messages.map(noteOf));
    for (const [index, result] of results.entries()) {
      answered(messages[index]!, result.status === 'accepted' ? null : result.error);
    }
    return;
  }
  try {
    await bus.publish(type, noteOf(messages[0]!), delayMs === 0 ? {} : { delay: delayMs });
    answered(messages[0]!, null);
  } catch (error) {
    answered(messages[0]!, error);
  }
}

function answered({ label }: Announced, error: unknown): void {
  const code = error === null ? null : error instanceof MaloteError ? error.code : 'unknown';
  const unclear = code === 'INDETERMINATE' ? 'indeterminate' : 'refused';
  write({ f: 'published', at: now(), label, outcome: code === null ? 'accepted' : unclear, code });
}

function busy({ code, message }: MaloteError): void {
  write({ f: 'trouble', at: now(), code, message });
}

function noteOf({ label, key, waits, asks, followed }: Announced): Note {
  return { label, key, waits, asks, followed, stagedBy: null };
}

/** Publishes for one key, or without a key, until the process is asked to stop. */
async function loop(key: string | null): Promise<void> {
  const late: Promise<void>[] = [];
  while (!stopping) {
    const { messages, opensBefore, opensAfter, pauseMs } = next(key);
    await open(opensBefore);
    await publish(messages);
    for (const one of opensAfter) late.push(pause(one.afterMs).then(() => open([one.fact])));
    await pause(pauseMs);
  }
  await Promise.all(late);
}

dieWithParent();
process.on('SIGTERM', () => {
  stopping = true;
});
tellParent({ kind: 'up' });
await open(left);
await Promise.all([...keys, null, null, null, null].map((key) => loop(key)));
await bus.stop();
process.exit(0);
