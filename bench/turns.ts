/**
 * Runs the contestants of a scenario in turns, A B C A B C …, each in a process of its own, so that
 * what disturbs the machine for a while disturbs all of them alike.
 */

import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hotSpots } from './profile.ts';
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

const entry = fileURLToPath(new URL('contestant.ts', import.meta.url));
/** Longer than the longest of them by far: a contestant that hangs is wrong. */
const mostMs = 15 * 60_000;
const politeMs = 5_000;

export async function runScenario(
  scenario: Scenario,
  options: TurnOptions,
): Promise<{ result: ScenarioResult; versions: Readonly<Record<string, string>> }> {
  const { name, title, columns, compare, contestants } = scenario;
  const tallies = new Map(contestants.map((contestant) => [contestant, createTally()]));
  const rounds = scenario.rounds ?? options.rounds;
  for (let round = 1; round <= rounds; round++) {
    for (const [contestant, tally] of tallies) {
      if (tally.status !== 'measured') continue;
      const absent = options.absent[contestant.spec.settings.driver];
      take(tally, absent === undefined ? await runOnce(contestant) : absence(absent));
      options.tell(`${name}, round ${round} of ${rounds}: ${contestant.name}: ${brief(tally)}`);
    }
  }
  for (const [contestant, tally] of tallies) {
    if (options.profiles === null || tally.status !== 'measured') continue;
    const label = `${name}, ${contestant.name}`.replaceAll(/[^a-zA-Z0-9]+/g, '-');
    const file = join(options.profiles, `${label}.cpuprofile`);
    await runOnce(contestant, file);
    tally.profile = existsSync(file) ? file : null;
    options.tell(`${name}: profiled ${contestant.name}`);
  }
  const results = [...tallies].map(([contestant, tally]) => resultOf(contestant, tally));
  const versions = Object.assign({}, ...[...tallies.values()].map((tally) => tally.versions));
  return { result: { name, title, columns, compare, contestants: results }, versions };
}

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

function absence(reason: string): Said {
  return { kind: 'absent', reason };
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

/** One process from its start to its end, with a file for its profile or without. */
function runOnce({ spec }: Contestant, ...profile: string[]): Promise<Said> {
  const child = fork(entry, [JSON.stringify(spec), ...profile], {
    execArgv: ['--conditions=malote-source', '--expose-gc', '--no-warnings'],
    stdio: ['ignore', process.stderr, process.stderr, 'ipc'],
  });
  return new Promise((resolve, reject) => {
    let said: Said = { kind: 'wrong', reason: 'its process ended without a word' };
    const timer = setTimeout(() => {
      said = { kind: 'wrong', reason: `it did not end within ${mostMs} ms` };
      // Asked first: it may have a server to end.
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), politeMs).unref();
    }, mostMs);
    child.on('message', (message) => {
      said = message as Said;
    });
    child.once('error', reject);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve(said);
    });
  });
}
