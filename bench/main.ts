/**
 * The benchmarks: `npm run bench -- memory|sqlite|rabbitmq|cache|outbox|payments`.
 *
 *     --quick        short runs, for a first look
 *     --only name    one scenario (may be repeated)
 *     --json         one JSON document on standard output
 *     --profile      one more round under the profiler, and its hot spots: of the scenarios chosen
 *                    by --only, else of those whose profile the page shows
 *     --write        keeps the document and renews docs/benchmarks.md from it
 *
 * `npm run bench -- page` renews the page without running anything.
 *
 * Figures are printed and judged, never asserted; what is asserted is that every message was
 * handled once, and a run that fails this ends with 1.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { install, isPeer } from './drivers/install.ts';
import { describeCommit } from './commit.ts';
import { describeMachine } from './machine.ts';
import { profiledScenarios, resultsFile, writePage } from './page.ts';
import { text } from './report.ts';
import type { Document, ScenarioResult } from './results.ts';
import { full, quick } from './scenarios/settings.ts';
import { suiteNames, suiteOf, type Suite, type SuiteName } from './scenarios/suites.ts';
import { runScenario } from './turns.ts';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    profile: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function chosen(): Suite | null {
  const name = suiteNames.find((suite) => suite === positionals[0]);
  if (name === undefined || positionals.length !== 1) {
    tell(`usage: npm run bench -- ${suiteNames.join('|')} [--quick] [--only name] [--json]`);
    tell('                     [--profile] [--write]; or: npm run bench -- page');
    return null;
  }
  const suite = suiteOf(name, values.quick ? quick : full);
  const unknown = values.only.filter((wanted) => !namesOf(suite).includes(wanted));
  if (unknown.length === 0) return suite;
  tell(`${name} has no scenario ${unknown.join(', ')}; known are ${namesOf(suite).join(', ')}`);
  return null;
}

function namesOf({ scenarios }: Suite): string[] {
  return scenarios.map(({ name }) => name);
}

async function run(suite: Suite): Promise<Document> {
  const { only } = values;
  const scenarios = suite.scenarios.filter(({ name }) => only.length === 0 || only.includes(name));
  const machine = describeMachine();
  const profiles = values.profile ? profileFolder(suite.name) : null;
  const absent = absentees(scenarios.flatMap(({ contestants }) => contestants));
  const results: ScenarioResult[] = [];
  let versions: Record<string, string> = { node: process.versions.node };
  for (const scenario of scenarios) {
    const { rounds } = values.quick ? quick : full;
    const isProfiled = only.includes(scenario.name) || profiledScenarios.includes(scenario.name);
    const options = { rounds, profiles: isProfiled ? profiles : null, absent, tell };
    const done = await runScenario(scenario, options);
    results.push(done.result);
    versions = { ...versions, ...done.versions };
  }
  const { name, settings } = suite;
  const date = new Date().toISOString();
  return {
    suite: name,
    date,
    commit: describeCommit(),
    quick: values.quick,
    machine,
    versions,
    settings,
    scenarios: results,
  };
}

function profileFolder(suite: SuiteName): string {
  const folder = join(tmpdir(), `malote-profiles-${suite}`);
  mkdirSync(folder, { recursive: true });
  tell(`profiles: ${folder}`);
  return folder;
}

function absentees(
  contestants: Suite['scenarios'][number]['contestants'][number][],
): Readonly<Record<string, string>> {
  const drivers = new Set<string>(contestants.map(({ spec }) => spec.settings.driver));
  const reasons = [...drivers].filter(isPeer).flatMap((peer) => {
    tell(`installing ${peer}, where that was not done before`);
    const reason = install(peer);
    return reason === null ? [] : [[peer, reason] as const];
  });
  return Object.fromEntries(reasons);
}

/** More digits than anybody can use would only make the kept results longer. */
function rounded(_name: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(6)) : value;
}

function isRight({ scenarios }: Document): boolean {
  return scenarios.every(({ contestants }) =>
    contestants.every(({ status }) => status !== 'wrong'),
  );
}

if (positionals[0] === 'page') {
  writePage();
} else {
  const suite = chosen();
  if (suite === null) process.exit(2);
  const document = await run(suite);
  const json = `${JSON.stringify(document, rounded, 2)}\n`;
  process.stdout.write(values.json ? json : text(document));
  if (values.write) {
    writeFileSync(resultsFile(suite.name), json);
    writePage();
  }
  if (!isRight(document)) process.exitCode = 1;
}
