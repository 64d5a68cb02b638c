/**
 * `malote doctor`: what this engine, with these settings, promises and does not, as the suite that
 * tests it knows, and what stands against a promise. A gate for deployments.
 */

import type { Engine } from '../../index.ts';
import type { Command } from '../command.ts';
import { type Finding, findingsOf } from '../findings.ts';
import { notPromisedYet, promisesInWords, promisesOfStores, sentencesOf } from '../in-words.ts';
import { together } from '../together.ts';

type Capabilities = Engine['capabilities'];

interface Place {
  readonly name: string;
  readonly address: string;
  readonly capabilities: Capabilities;
}

interface Promised {
  readonly id: string;
  readonly name: string;
  /** The cases of the conformance suite that are not promised, and why. */
  readonly without: readonly { readonly case: string; readonly why: string }[];
}

interface Report {
  readonly engine: Place;
  readonly store: Place | null;
  readonly promises: readonly Promised[];
  readonly findings: readonly Finding[];
}

export const doctor: Command = {
  words: ['doctor'],
  about: 'what engine and settings promise; 8 if one would break',
  operands: [],
  options: {},
  examples: ['doctor', 'doctor --json'],
  async run({ bus, config, output }) {
    const { engine, store } = config;
    const seen = await engine.examine();
    const isAbsent = seen.some(({ isAbsence }) => isAbsence);
    // Opening it is a test as well: its version and its settings are looked at there.
    const subscriptions = isAbsent ? [] : await bus.subscriptions.list();
    const isApart = store !== undefined && store.address !== engine.address;
    const outbox = isApart ? await bus.outbox.stats() : null;
    const report: Report = {
      engine: place(engine),
      store: store === undefined ? null : place(store),
      promises: await promisesOf(engine),
      findings: [...seen, ...findingsOf(config, { subscriptions, outbox })],
    };
    const limits = await limitsOf(together(engine, store));
    await output.data(report, () => lines(report, limits));
    const broken = report.findings.filter(({ level }) => level === 'refused');
    for (const { sentence } of broken) output.words(`refused: ${sentence}`);
    return broken.length === 0 ? 'done' : 'broken';
  },
};

function place({ name, address, capabilities }: Engine<unknown>): Place {
  return { name, address, capabilities };
}

/** The suite is loaded for this command alone. */
async function promisesOf({ capabilities }: Engine<unknown>): Promise<readonly Promised[]> {
  const { conformance } = await import('../../testing/conformance/suite.ts');
  const { promises, whyNotPromised } = await import('../../testing/conformance/case.ts');
  return Object.entries(promises).map(([id, name]) => {
    const without = conformance
      .filter(({ promise }) => promise === id)
      .map((one) => ({ case: one.id, why: whyNotPromised(one, capabilities) }))
      .filter((one): one is Promised['without'][number] => one.why !== null);
    return { id, name, without };
  });
}

type Limits = ReadonlyMap<string, ReadonlySet<keyof Capabilities>>;

/** What stands against each promise where it is not kept in full. */
async function limitsOf(capabilities: Capabilities): Promise<Limits> {
  const { conformance } = await import('../../testing/conformance/suite.ts');
  const { lackedBy } = await import('../../testing/conformance/case.ts');
  const limits = new Map<string, Set<keyof Capabilities>>();
  for (const one of conformance) {
    const lacking = lackedBy(one, capabilities);
    // What is said of partitions takes nothing from an engine that has none, or nothing else.
    if (lacking === null || lacking === 'delivery') continue;
    // Who can join no transaction may lose what belongs to one, and its order; no more than that.
    if (lacking === 'transactions' && one.promise !== 'G1' && one.promise !== 'G5') continue;
    limits.set(one.promise, (limits.get(one.promise) ?? new Set()).add(lacking));
  }
  return limits;
}

function lines({ engine, store, findings }: Report, limits: Limits): string[] {
  const sentences = sentencesOf(together(engine, store));
  return [
    `engine ${engine.name}, ${engine.address}`,
    ...(store === null ? [] : [`store ${store.name}, ${store.address}`]),
    ...[...sentences.values()].map((one, at) => `  ${String(at + 1).padStart(2)} ${one}`),
    'what malote promises with this engine (docs/guarantees.md has all of it)',
    ...Object.entries(answersOf({ engine, store, limits, names: [...sentences.keys()] }))
      .toSorted(([a], [b]) => Number(a.slice(1)) - Number(b.slice(1)))
      .map(([id, answer]) => `  ${id.padEnd(3)} ${answer}`),
    '',
    ...found(findings),
  ];
}

/** Last, and what is refused at the very end: a short terminal shows that much. */
function found(findings: readonly Finding[]): string[] {
  const of = (wanted: Finding['level']): readonly Finding[] =>
    findings.filter(({ level }) => level === wanted);
  const [warnings, refused] = [of('warning'), of('refused')];
  const counts = [
    ...(refused.length === 0 ? [] : [`${refused.length} refused`]),
    ...(warnings.length === 0 ? [] : [`${warnings.length} warning${plural(warnings.length)}`]),
  ];
  return [
    `findings: ${counts.join(', ') || 'none'}`,
    ...[...warnings, ...refused].map(({ level, sentence }) => `  ${level}: ${sentence}`),
  ];
}

function plural(count: number): string {
  return count === 1 ? '' : 's';
}

interface Asked extends Pick<Report, 'engine' | 'store'> {
  readonly limits: Limits;
  /** Of what an engine can or cannot do, in the order of the sentences. */
  readonly names: readonly (keyof Capabilities)[];
}

/** To each promise whether it is kept, by its number. */
function answersOf({ engine, store, limits, names }: Asked): Readonly<Record<string, string>> {
  const promised = Object.entries(promisesInWords).map(([id, promise]) => {
    const numbers = names.flatMap((name, at) => (limits.get(id)?.has(name) ? [at + 1] : []));
    const answer = ofStore(id, engine, store) ?? extent(numbers);
    return [id, `${promise}: ${answer}`] as const;
  });
  return { ...Object.fromEntries(promised), ...notPromisedYet };
}

/** What a store does where the engine cannot, and nobody where there is none. */
function ofStore(id: string, engine: Place, store: Place | null): string | null {
  const promise = promisesOfStores[id];
  if (promise === undefined || engine.capabilities[promise.needs]) return null;
  return store?.capabilities[promise.needs] === true ? promise.withStore : promise.without;
}

/** @param limits - the numbers of the sentences that limit a promise */
function extent(limits: readonly number[]): string {
  if (limits.length === 0) return 'yes';
  const last = limits.at(-1);
  const before = limits.slice(0, -1).join(', ');
  return `yes, but see ${before === '' ? '' : `${before} and `}${last}`;
}
