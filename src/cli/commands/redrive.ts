/**
 * `malote dead redrive`: dead letters go back, many of them in steps: each is whole, so that one
 * sees how far it is, and Ctrl+C ends it between two of them.
 */

import { setImmediate } from 'node:timers/promises';
import { optionMissing } from '../../errors.ts';
import { type Bus, MaloteError } from '../../index.ts';
import { confirmed } from '../asking.ts';
import { type Call, type Command, requireOutboxAlone } from '../command.ts';
import type { Ending } from '../exit-code.ts';
import { notDead } from '../not-dead.ts';
import { type Output, paceOf } from '../output.ts';
import { countOf } from '../pages.ts';
import { selectionOf, selectionOptions } from '../selection.ts';

export const deadRedrive: Command = {
  words: ['dead', 'redrive'],
  about: 'sends dead letters back, attempts reset, order kept',
  operands: [{ name: 'ID', about: 'the ids of dead messages', count: 'many' }],
  options: {
    subscription: { value: 'NAME', about: 'those of that subscription, in place of ids' },
    ...selectionOptions,
    outbox: { about: 'of the outbox: what the engine refused; all, or the ids' },
    limit: { value: 'NUMBER', about: 'stops when as many are back; keys held shut go whole' },
    'dry-run': { about: 'tells how many would go, and sends none' },
    yes: { about: 'asks nothing: all of them are meant' },
  },
  examples: [
    'dead redrive p-1 p-2',
    'dead redrive --subscription ledger --dry-run',
    'dead redrive --subscription ledger --yes',
    'dead redrive --subscription ledger --failure CardGatewayTimeout --since 2h --limit 10',
  ],
  async run(call) {
    const which = whichOf(call);
    if (call.given.has('dry-run')) return await tellHowMany(which, call.output);
    return which.kind === 'ids' ? await sendNamed(which, call) : await sendMany(which, call);
  },
};

interface Named {
  readonly kind: 'ids';
  count(): Promise<number>;
  send(): Promise<number>;
}

interface Many {
  readonly kind: 'many';
  /** As it is said: `of ledger`. */
  readonly name: string;
  /** Whether everything is meant: then it is asked about. */
  readonly isAll: boolean;
  readonly limit: number;
  /** How many are dead, whatever is meant. */
  dead(): Promise<number>;
  /** How many are meant, which may take long. */
  count(): Promise<number>;
  readonly stepSize: number;
  /** Sends the first ones back, and answers how many went. */
  step(most: number): Promise<number>;
}

type Which = Named | Many;

function whichOf({ given, bus, config }: Pick<Call, 'given' | 'bus' | 'config'>): Which {
  const { operands: ids } = given;
  const subscription = given.value('subscription');
  const selection = selectionOf(given);
  const limit = given.value('limit');
  const isSelective = limit !== undefined || Object.keys(selection).length > 0;
  const most = limit === undefined ? Infinity : countOf('--limit', limit);
  if (given.has('outbox')) {
    const others = [
      ...(subscription === undefined ? [] : ['subscription']),
      ...Object.keys(selection),
    ];
    requireOutboxAlone('dead redrive', others);
    return ids.length > 0 ? namedInOutbox(bus, ids) : manyInOutbox(bus, most);
  }
  if (subscription === undefined && ids.length > 0 && !isSelective) return named(bus, ids);
  if (subscription !== undefined && ids.length === 0) {
    const wanted = { ...selection, subscription };
    const found = { bus, wanted, limit: most, isAll: !isSelective };
    return manyOf(found, config.engine.capabilities.lookup ? 1_000 : 10_000);
  }
  const got = ids.length > 0 ? 'both' : isSelective ? 'neither' : 'nothing';
  throw optionMissing('dead redrive', 'given ids or --subscription NAME', got);
}

/** An engine that looks at all of its dead letters in each step takes larger ones. */
function manyOf({ bus, wanted, limit, isAll }: Wanted, stepSize: number): Many {
  const { subscription, ...selection } = wanted;
  const dead = async (): Promise<number> => (await bus.subscriptions.stats(subscription)).dead;
  const isUnselected = Object.keys(selection).length === 0;
  return {
    kind: 'many',
    name: `of ${subscription}`,
    isAll,
    limit,
    dead,
    stepSize,
    count: async () => Math.min(limit, isUnselected ? await dead() : await countMeant()),
    step: async (most) => (await bus.dead.redrive({ ...wanted, limit: most })).redriven,
  };

  async function countMeant(): Promise<number> {
    let [count, cursor]: [number, string | null] = [0, null];
    do {
      const page: Awaited<ReturnType<Bus['dead']['list']>> = await bus.dead.list({
        ...wanted,
        cursor,
        limit: 500,
      });
      count += page.items.length;
      cursor = page.next;
    } while (cursor !== null && count < limit);
    return count;
  }
}

interface Wanted {
  readonly bus: Bus;
  readonly wanted: ReturnType<typeof selectionOf> & { readonly subscription: string };
  readonly limit: number;
  readonly isAll: boolean;
}

function named(bus: Bus, ids: readonly string[]): Named {
  return {
    kind: 'ids',
    count: () => sumOf(ids, async (id) => (await bus.dead.get(id)).length),
    send: async () => (await bus.dead.redrive(ids)).redriven,
  };
}

function namedInOutbox({ outbox }: Bus, ids: readonly string[]): Named {
  return {
    kind: 'ids',
    count: () => sumOf(ids, async (id) => (await outbox.dead.get(id)).length),
    send: async () => (await outbox.dead.redrive(ids)).redriven,
  };
}

function manyInOutbox({ outbox }: Bus, limit: number): Many {
  const dead = async (): Promise<number> => (await outbox.stats()).dead;
  return {
    kind: 'many',
    name: 'of the outbox',
    isAll: limit === Infinity,
    limit,
    dead,
    count: async () => Math.min(limit, await dead()),
    stepSize: 500,
    async step(most) {
      const { items } = await outbox.dead.list({ limit: most });
      return (await outbox.dead.redrive(items.map(({ id }) => id))).redriven;
    },
  };
}

async function sumOf(
  ids: readonly string[],
  count: (id: string) => Promise<number>,
): Promise<number> {
  let sum = 0;
  for (const id of new Set(ids)) sum += await count(id);
  return sum;
}

async function tellHowMany(which: Which, output: Output): Promise<Ending> {
  const wouldRedrive = await which.count();
  await output.data({ wouldRedrive }, () => [String(wouldRedrive)]);
  output.words('none was sent back: this is what would be');
  return 'done';
}

async function sendNamed(which: Named, call: Call): Promise<Ending> {
  const redriven = await which.send();
  if (redriven === 0) throw await notDead(call, call.given.operands);
  await tellSent(redriven, call.output);
  return 'done';
}

async function sendMany(which: Many, { given, output, interruption }: Call): Promise<Ending> {
  const dead = await which.dead();
  if (which.isAll && dead > 0 && !given.has('yes')) {
    const answer = await confirmed(questionOf(dead, which.name));
    if (answer === null) throw unconfirmed(which.name);
    if (!answer) {
      output.words('none was sent back');
      return 'failed';
    }
  }
  const signal = interruption.expected();
  const redriven = await inSteps(which, { dead, signal, output });
  await tellSent(redriven, output);
  if (!signal.aborted) return 'done';
  output.words(`interrupted: ${redriven} are back, the others as they were; repeating it is safe`);
  return 'interrupted';
}

/** @param name - as it is said: `of ledger` */
export function questionOf(dead: number, name: string): string {
  if (dead === 1) return `send back the one dead letter ${name}?`;
  return `send back all ${dead.toLocaleString('en-US')} dead letters ${name}?`;
}

/** A script reads the number alone. */
async function tellSent(redriven: number, output: Output): Promise<void> {
  const number = String(redriven);
  await output.data({ redriven }, () => [process.stdout.isTTY ? `${number} sent back` : number]);
}

function unconfirmed(name: string): MaloteError {
  return new MaloteError(
    'OPTION_INVALID',
    `dead redrive: all ${name} must be confirmed, and nobody can be asked: ` +
      'give --yes, see how many with --dry-run, or send some of them, such as --limit 10',
  );
}

interface Stepping {
  /** When it began: what dies again meanwhile is not sent back without end. */
  readonly dead: number;
  readonly signal: AbortSignal;
  readonly output: Output;
}

async function inSteps(
  { limit, isAll, stepSize, step }: Many,
  { dead, signal, output }: Stepping,
): Promise<number> {
  const most = Math.min(limit, dead);
  const pace = paceOf('sent back', isAll ? dead : null);
  for (let redriven = 0; ; ) {
    const asked = Math.min(stepSize, limit - redriven);
    const back = await step(asked);
    redriven += back;
    if (redriven > 0) output.progress(pace(redriven));
    // An engine in this process may never have waited: now a signal is heard.
    await setImmediate();
    if (signal.aborted || back < asked || redriven >= most) return redriven;
  }
}
