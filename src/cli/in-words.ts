/**
 * What an engine can do, and what malote promises, in the words of somebody who uses it and has
 * read nothing yet. What is not described here does not compile.
 */

import type { Engine } from '../index.ts';
import type { PromiseId } from '../testing/conformance/case.ts';

type Capabilities = Engine['capabilities'];
type Name = keyof Capabilities;

const told: { readonly [Of in Name]: (value: Capabilities[Of]) => string } = {
  survives: (most) => `Accepted messages ${survival[most]}.`,
  factsSurvive: (most) => `The facts that messages wait for ${survival[most]}.`,
  processes: (how) =>
    how === 'many' ? 'Several processes may share it.' : 'One process alone can use it.',
  delivery: (how) =>
    how === 'lanes'
      ? 'Whichever process is free takes the next key that has messages.'
      : 'The keys are divided among the processes that consume.',
  lease: (end) =>
    end === 'timed'
      ? 'What a process had in hand goes to others a while (its lease) after it was last heard of.'
      : 'What a process had in hand goes to others once its connection ends; which of it ended ' +
        'the process is not known at once.',
  fencing: either(
    'A process that stood still for too long can finish nothing that others have by now.',
    'A process that stood still for too long may act on what others have by now: use an inbox.',
  ),
  dedupe: either(
    'A message that is published twice under one id or dedupe key is stored once.',
    'A message that is published twice under one id is stored twice; a store would remember it.',
  ),
  atomicSettle: either(
    'What a handler publishes is stored in one step with the end of its message.',
    'What a handler publishes is stored before its message ends: a crash between repeats both.',
  ),
  settlesForGood: either(
    'A message that is done stays done, whatever crashes in the next moment.',
    'A message that was done a moment before a crash may be handled again.',
  ),
  transactions: either(
    'A publish can be part of a transaction of your own.',
    'Without a store no publish is part of a transaction of your own: a crash between the two ' +
      'keeps only one of them, and messages are not in the order of the commits.',
  ),
  keepsFacts: either(
    'As a store it also keeps the facts that messages of another engine wait for.',
    'It keeps facts for its own messages only.',
  ),
  coordination: either(
    'It keeps locks and cached values: bus.lock, bus.cache.',
    'bus.lock and bus.cache work only where there is a store.',
  ),
  lookup: either(
    'Any message can be found by its id, and cancelled.',
    'A message cannot be found by its id; those that wait or are dead can be listed.',
  ),
  counts: (how) =>
    how === 'exact'
      ? 'How many messages there are is known exactly.'
      : 'How many messages there are is an estimate, and so is the limit maxDepth.',
  maxBodyBytes: (most) => `A body may have ${most.toLocaleString('en-US')} bytes.`,
};

const survival = {
  nothing: 'are lost when the process ends',
  'process-crash': 'survive crashes of processes; a power loss may take the last of them',
  'power-loss': 'survive crashes and power loss',
};

function either(yes: string, no: string): (can: boolean) => string {
  return (can) => (can ? yes : no);
}

/** A sentence for each thing that an engine, with its store, can do or not. */
export function sentencesOf(capabilities: Capabilities): ReadonlyMap<Name, string> {
  const names = Object.keys(told) as Name[];
  return new Map(names.map((name) => [name, sentenceOf(name, capabilities)]));
}

function sentenceOf<Of extends Name>(name: Of, capabilities: Pick<Capabilities, Of>): string {
  return told[name](capabilities[name]);
}

export const promisesInWords: Readonly<Record<PromiseId, string>> = {
  G1: 'an accepted message is not lost',
  G2: 'a message that is published again is recognised',
  G3: 'every subscription is given each of its messages',
  G4: 'with an inbox a message has its effect once',
  G5: 'the messages of a key are handled in their order',
  G6: 'a message is in the hands of one process at a time',
  G7: 'a failed attempt is counted, and repeated',
  G8: 'what fails for good is kept as a dead letter',
  G9: 'a delayed message comes when it is due',
  G10: 'a process that stops gives back what it has',
  G11: 'a full subscription refuses what comes',
  G12: 'no key keeps the others waiting',
  G13: 'a value is loaded by one process for all, a lock is held by one',
  G14: 'a message waits until its fact is there',
  G16: 'what happens to messages can be seen',
};

interface PromiseOfStore {
  readonly needs: 'dedupe' | 'transactions' | 'coordination';
  readonly withStore: string;
  readonly without: string;
}

/** What an engine that cannot leaves to the store: kept by that, or not at all. */
export const promisesOfStores: Readonly<Record<string, PromiseOfStore>> = {
  G2: {
    needs: 'dedupe',
    withStore: 'yes, by the store',
    without: 'no, it would be stored twice; a store remembers it',
  },
  G4: {
    needs: 'transactions',
    withStore: 'yes, by the store',
    without: 'no, without a store an inbox is refused',
  },
  G13: {
    needs: 'coordination',
    withStore: 'yes, by the store',
    without: 'no, without a store bus.lock and bus.cache are refused',
  },
};

/** What has a number and is promised by no engine: the others keep theirs. */
export const notPromisedYet: Readonly<Record<string, string>> = {
  G15: 'a schedule publishes each of its messages once: no, schedules are not in this version',
};
