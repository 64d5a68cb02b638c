/**
 * A promise of malote as data: a sentence a user could rely on, what an engine must be capable of
 * to make it, and a program that finds out whether the engine keeps it.
 */

import type { Capabilities } from '../../transport/capabilities.ts';
import type { Harness } from './harness.ts';

export interface ConformanceCase {
  /** Stable, for reports and for naming one case on a command line. */
  readonly id: string;
  readonly promise: PromiseId;
  readonly title: string;
  /** The case runs only on an engine that has all of these; elsewhere it is not promised. */
  readonly needs: Partial<Capabilities>;
  /** Why an engine without these does not promise it, where the capability alone would not say. */
  readonly otherwise?: string;
  /** True where chance decides what happens: the case then runs once per seed. */
  readonly seeded?: boolean;
  /** Rejects when the promise is broken. */
  run(harness: Harness): Promise<void>;
}

/** The promises that a transport carries, by the names the guarantees page gives them. */
export type PromiseId =
  | 'G1'
  | 'G2'
  | 'G3'
  | 'G4'
  | 'G5'
  | 'G6'
  | 'G7'
  | 'G8'
  | 'G9'
  | 'G10'
  | 'G11'
  | 'G12'
  | 'G13'
  | 'G14'
  | 'G16';

export const promises: Readonly<Record<PromiseId, string>> = {
  G1: 'acceptance',
  G2: 'identity',
  G3: 'delivery',
  G4: 'effects',
  G5: 'order',
  G6: 'leases',
  G7: 'attempts',
  G8: 'dead letters',
  G9: 'delay',
  G10: 'shutdown',
  G11: 'back-pressure',
  G12: 'progress',
  G13: 'cache and lock',
  G14: 'waiting',
  G16: 'observability',
};

/** Why an engine does not promise this case, in words; null when it does. */
export function whyNotPromised(
  { needs, otherwise }: Pick<ConformanceCase, 'needs' | 'otherwise'>,
  capabilities: Capabilities,
): string | null {
  const lacking = lackedBy({ needs }, capabilities);
  return lacking === null ? null : (otherwise ?? reasons[lacking](capabilities));
}

/** What an engine would have to be capable of for this case; null when it is. */
export function lackedBy(
  { needs }: Pick<ConformanceCase, 'needs'>,
  capabilities: Capabilities,
): keyof Capabilities | null {
  const names = Object.keys(needs) as (keyof Capabilities)[];
  return names.find((name) => !has(capabilities[name], needs[name])) ?? null;
}

/** Equal, or for a size at least that. */
function has(promised: Capability, needed: Capability | undefined): boolean {
  if (typeof promised === 'number' && typeof needed === 'number') return promised >= needed;
  return promised === needed;
}

type Capability = Capabilities[keyof Capabilities];

const reasons: Readonly<Record<keyof Capabilities, (promised: Capabilities) => string>> = {
  delivery: (promised) =>
    promised.delivery === 'lanes'
      ? 'a process claims keys one by one and owns no partition'
      : 'a process owns whole partitions and cannot choose among their keys',
  lease: (promised) =>
    promised.lease === 'timed'
      ? 'leases end by time, not with the connection'
      : 'leases end with the connection, never by time',
  fencing: () => 'the engine does not check the lease when a message is settled',
  dedupe: () => 'the engine does not remember what was published',
  atomicSettle: () => 'an acknowledgement and what it publishes are stored one after the other',
  settlesForGood: () => 'the server may forget the last settlements of a process that dies',
  survives: (promised) => `accepted messages survive ${promised.survives.replace('-', ' ')}`,
  factsSurvive: (promised) => `facts survive ${promised.factsSurvive.replace('-', ' ')}`,
  keepsFacts: () => 'the engine keeps facts for its own messages only',
  processes: (promised) =>
    promised.processes === 'one'
      ? 'the engine lives in one process'
      : 'the engine is shared by several processes',
  transactions: () => "messages are not in a database of the caller's",
  coordination: () => 'the engine has no place where processes agree on a holder',
  lookup: () => 'the engine cannot find a message by its id',
  counts: () => 'the figures of a subscription are estimates',
  maxBodyBytes: (promised) => `a body may have ${promised.maxBodyBytes} bytes`,
};
