/**
 * What a server says of itself over AMQP, for `malote doctor`: its version, whether it confirms,
 * whether it takes anything at the moment, and what stands there for nobody. Its settings, such as
 * `consumer_timeout`, and its disk are not told over AMQP.
 */

import type { ChannelModel } from 'amqplib';
import { systemClock } from '../../clock.ts';
import { MaloteError } from '../../errors.ts';
import type { Finding } from '../../transport/transport.ts';
import { connect } from './driver.ts';
import { greetingOf, judge } from './greeting.ts';
import { namesOf } from './names.ts';
import type { Settings } from './settings.ts';
import { isNamespaceThere, lengthOf } from './topology.ts';

const patienceMs = 2_000;

/**
 * Looks at every server of the cluster.
 * @throws MaloteError as `connect` does; `ENGINE_UNREACHABLE` only where none of them answers
 */
export async function examine(settings: Settings): Promise<readonly Finding[]> {
  const found = new Map<string, Finding>();
  let away = 0;
  for (const url of settings.urls) {
    try {
      for (const one of await examineOne(url, settings)) found.set(one.sentence, one);
    } catch (error) {
      away += 1;
      const isAway = error instanceof MaloteError && error.code === 'ENGINE_UNREACHABLE';
      if (!isAway || away === settings.urls.length) throw error;
      found.set(url, { level: 'warning', sentence: error.message });
    }
  }
  return [...found.values()];
}

async function examineOne(url: string, settings: Settings): Promise<readonly Finding[]> {
  const model = await connect(url, settings, 'examine');
  model.on('error', () => undefined);
  try {
    const names = namesOf(settings.namespace);
    const { kept, ingressKept } = names;
    const isThere = await isNamespaceThere(model, names);
    const found = [
      isThere ? [] : [absent(settings)],
      keptFinding('', kept, await countIn(model, kept)),
      keptFinding(' of programs without malote', ingressKept, await countIn(model, ingressKept)),
    ];
    return [
      ...judge(greetingOf(model)),
      ...((await isTaking(model)) ? [] : [blocked]),
      ...found.flat(),
    ];
  } finally {
    await model.close().catch(() => undefined);
  }
}

function absent({ namespace }: Settings): Finding {
  const sentence =
    `namespace "${namespace}" is not there yet: whoever publishes or consumes first makes it; ` +
    'if it should be there, correct its name';
  return { level: 'warning', sentence, isAbsence: true };
}

const blocked: Finding = {
  level: 'warning',
  sentence:
    'the server takes no message at the moment, for lack of memory or disk: publishes wait, and ' +
    'end as INDETERMINATE',
};

function keptFinding(of: string, queue: string, count: number): readonly Finding[] {
  if (count === 0) return [];
  const many = count === 1 ? 'stands 1 message' : `stand ${count} messages`;
  const sentence =
    `in "${queue}" ${many}${of}: no subscription has their type; check the type they are ` +
    "published with, or subscribe with from: 'kept'";
  return [{ level: 'warning', sentence }];
}

/** A server that is short of something tells so whoever publishes, and reads nothing more. */
async function isTaking(model: ChannelModel): Promise<boolean> {
  const channel = await model.createConfirmChannel();
  channel.on('error', () => undefined);
  return await new Promise<boolean>((resolve) => {
    const timer = systemClock.setTimer(() => resolve(false), patienceMs);
    const answer = (isOpen: boolean): void => {
      timer.cancel();
      resolve(isOpen);
    };
    model.once('blocked', () => answer(false));
    // Leads nowhere, and is confirmed all the same.
    channel.publish('', '', Buffer.alloc(0), {}, () => answer(true));
  });
}

/** 0 where there is no such queue: nobody has opened the namespace yet. */
async function countIn(model: ChannelModel, queue: string): Promise<number> {
  return (await lengthOf(model, queue))?.messageCount ?? 0;
}
