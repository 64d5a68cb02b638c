/**
 * `malote doctor`: what this engine, with these settings, promises and does not, as the suite that
 * tests it knows, and what stands against a promise. A gate for deployments.
 */

import type { Engine } from '../../index.ts';
import type { Command } from '../command.ts';
import { type Finding, findingsOf } from '../findings.ts';

interface Place {
  readonly name: string;
  readonly address: string;
  readonly capabilities: Engine['capabilities'];
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
    // Opening it is the first test: its version and its settings are looked at there.
    const subscriptions = await bus.subscriptions.list();
    if (store !== undefined && store.address !== engine.address) await bus.outbox.stats();
    const report: Report = {
      engine: place(engine),
      store: store === undefined ? null : place(store),
      promises: await promisesOf(engine),
      findings: [...(await engine.examine()), ...findingsOf(config, subscriptions)],
    };
    const meanings = await meaningsOf(engine);
    await output.data(report, () => lines(report, meanings));
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

async function meaningsOf({ capabilities }: Engine<unknown>): Promise<readonly string[]> {
  const { inWords, meanings } = await import('../../testing/conformance/meanings.ts');
  const names = Object.keys(meanings) as (keyof typeof meanings)[];
  return names.map(
    (name) => `${meanings[name].replaceAll('`', '')}: ${inWords(capabilities[name])}`,
  );
}

function lines(
  { engine, store, promises, findings }: Report,
  meanings: readonly string[],
): string[] {
  return [
    `engine ${engine.name}, ${engine.address}`,
    ...meanings.map((meaning) => `  ${meaning}`),
    ...(store === null ? [] : [`store ${store.name}, ${store.address}`]),
    'promises',
    ...promises.map(({ id, name, without }) => `  ${id} ${name}: ${holds(without)}`),
    'findings',
    ...(findings.length === 0 ? ['  none'] : []),
    ...findings.map(({ level, sentence }) => `  ${level}: ${sentence}`),
  ];
}

function holds(without: Promised['without']): string {
  if (without.length === 0) return 'yes';
  return `in part: ${[...new Set(without.map(({ why }) => why))].join('; ')}`;
}
