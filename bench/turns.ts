/**
 * Runs the contestants of a scenario in turns, A B C A B C …, each in a process of its own, so that
 * what disturbs the machine for a while disturbs all of them alike. A process is begun anew for
 * every turn, or stays for all of them: then the turns are short and many, for a machine whose
 * speed changes from one minute to the next.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run, type Running } from './process.ts';
import { hotSpots } from './profile.ts';
import { createPeer, type Peer } from './programs/peer.ts';
import { figuresOf, type ContestantResult, type ScenarioResult } from './results.ts';
import type { Answer, Contestant, Metrics, Said, Scenario } from './scenario.ts';

export interface TurnOptions {
  readonly rounds: number;
  /** A folder for a profile of one further round, or null. */
  readonly profiles: string | null;
  /** Reasons why contestants cannot take part, by driver. */
  readonly absent: Readonly<Record<string, string>>;
  tell(line: string): void;
}

export async function runScenario(
  scenario: Scenario,
  options: TurnOptions,
): Promise<{ result: ScenarioResult; versions: Readonly<Record<string, string>> }> {
  const { name, title, columns, compare, contestants } = scenario;
  const tallies: Tallies = new Map(contestants.map((contestant) => [contestant, createTally()]));
  for (const [{ spec }, tally] of tallies) {
    const absent = options.absent[spec.settings.driver];
    if (absent !== undefined) take(tally, { kind: 'absent', reason: absent });
  }
  const play = isStaying(contestants[0]) ? playStaying : playAnew;
  await play(scenario, tallies, options);
  if (options.profiles !== null) await profileAll(scenario, tallies, options);
  const results = [...tallies].map(([contestant, tally]) => resultOf(contestant, tally));
  const versions = Object.assign({}, ...[...tallies.values()].map((tally) => tally.versions));
  return { result: { name, title, columns, compare, contestants: results }, versions };
}

function isStaying({ spec: { program } }: Contestant): boolean {
  return program === 'turns' || program === 'idle-turns';
}

async function playAnew(scenario: Scenario, tallies: Tallies, options: TurnOptions): Promise<void> {
  const rounds = scenario.rounds ?? options.rounds;
  for (let round = 1; round <= rounds; round++) {
    for (const [contestant, tally] of tallies) {
      if (tally.status !== 'measured') continue;
      take(tally, await run(contestant).ended);
      tellRound(scenario, { round, rounds, contestant, tally }, options);
    }
  }
}

/** Every other round goes backwards: what a server writes behind its turn is in the next one's. */
async function playStaying(
  scenario: Scenario,
  tallies: Tallies,
  options: TurnOptions,
): Promise<void> {
  const rounds = scenario.rounds ?? options.rounds;
  const staying = new Map<Contestant, Staying>();
  for (const [contestant, { status }] of tallies) {
    if (status === 'measured') staying.set(contestant, await stay(contestant));
  }
  for (let round = 1; round <= rounds; round++) {
    const order = [...tallies];
    if (round % 2 === 0) order.reverse();
    for (const [contestant, tally] of order) {
      const one = staying.get(contestant);
      if (one === undefined || !(await takeTurn(one, tally))) continue;
      tellRound(scenario, { round, rounds, contestant, tally }, options);
    }
  }
  for (const [contestant, { umpire, running }] of staying) {
    umpire.say('turn', false);
    const said = await running.ended;
    const tally = tallies.get(contestant)!;
    if (said.kind === 'answer') tally.versions = said.versions ?? {};
    else take(tally, said);
  }
}

interface Staying {
  readonly running: Running;
  readonly umpire: Peer;
}

/** Resolves when it is warm, or has ended. */
async function stay(contestant: Contestant, ...profiled: string[]): Promise<Staying> {
  const running = run(contestant, ...profiled);
  const umpire = createPeer(running.child);
  await umpire.heard('ready').catch(() => undefined);
  return { running, umpire };
}

/** Whether it could: one that has ended says at the end what was wrong. */
async function takeTurn({ umpire }: Staying, tally: Tally): Promise<boolean> {
  umpire.say('turn', true);
  const metrics = (await umpire.heard('measured').catch(() => null)) as Metrics | null;
  if (metrics !== null) tally.rounds.push(metrics);
  return metrics !== null;
}

async function profileAll(
  { name }: Scenario,
  tallies: Tallies,
  { profiles, tell }: TurnOptions,
): Promise<void> {
  for (const [contestant, tally] of tallies) {
    if (profiles === null || tally.status !== 'measured') continue;
    const label = `${name}, ${contestant.name}`.replaceAll(/[^a-zA-Z0-9]+/g, '-');
    const file = join(profiles, `${label}.cpuprofile`);
    await runOnce(contestant, file);
    tally.profile = existsSync(file) ? file : null;
    tell(`${name}: profiled ${contestant.name}`);
  }
}

async function runOnce(contestant: Contestant, file: string): Promise<void> {
  if (!isStaying(contestant)) {
    await run(contestant, file).ended;
    return;
  }
  const staying = await stay(contestant, file);
  await takeTurn(staying, createTally());
  staying.umpire.say('turn', false);
  await staying.running.ended;
}

function tellRound(
  { name }: Scenario,
  { round, rounds, contestant, tally }: Played,
  { tell }: TurnOptions,
): void {
  tell(`${name}, round ${round} of ${rounds}: ${contestant.name}: ${brief(tally)}`);
}

interface Played {
  readonly round: number;
  readonly rounds: number;
  readonly contestant: Contestant;
  readonly tally: Tally;
}

type Tallies = ReadonlyMap<Contestant, Tally>;

interface Tally {
  status: ContestantResult['status'];
  reason: string | null;
  readonly rounds: Metrics[];
  samples: Answer['samples'] | null;
  versions: Readonly<Record<string, string>>;
  profile: string | null;
}

function createTally(): Tally {
  const none = { reason: null, samples: null, profile: null };
  return { status: 'measured', rounds: [], versions: {}, ...none };
}

function take(tally: Tally, said: Said): void {
  if (said.kind === 'answer') {
    tally.rounds.push(said.metrics);
    tally.samples = said.samples ?? null;
    tally.versions = said.versions ?? {};
    return;
  }
  tally.status = said.kind === 'absent' ? 'not compared' : 'wrong';
  tally.reason = said.reason;
}

function resultOf({ name }: Contestant, tally: Tally): ContestantResult {
  const { status, reason, rounds, samples, profile } = tally;
  return {
    name,
    status,
    ...(reason === null ? {} : { reason }),
    rounds,
    figures: status === 'measured' ? figuresOf(rounds) : {},
    ...(samples === null || samples === undefined ? {} : { samples }),
    ...(profile === null ? {} : { profile: hotSpots(profile) }),
  };
}

function brief({ status, reason, rounds }: Tally): string {
  if (status !== 'measured') return `${status}: ${reason}`;
  const metrics = rounds.at(-1) ?? {};
  const shown = metrics['perSecond'] ?? metrics['p50Ms'] ?? 0;
  const other = metrics['otherCpu'] ?? 0;
  const noise = other > 0.2 ? ` (others used ${other.toFixed(1)} cores)` : '';
  return `${shown > 100 ? Math.round(shown).toLocaleString('en') : shown.toFixed(3)}${noise}`;
}
