/**
 * Writes `docs/benchmarks.md` from the documents kept in `bench/results/`, which `--write` renews.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { judge } from './aims.ts';
import { number } from './number.ts';
import { disturbance, markdown, scenarioTable } from './report.ts';
import type { Document, ScenarioResult } from './results.ts';
import { suiteNames, type SuiteName } from './scenarios/suites.ts';

export const pageFile: string = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url));
const notesFile = fileURLToPath(new URL('notes.md', import.meta.url));

const introduction = `# Benchmarks

This page is generated: \`npm run bench -- memory --write\` (or \`sqlite\`, \`rabbitmq\`, \`cache\`,
\`outbox\`, \`payments\`) runs the benchmarks and renews it, \`npm run bench -- page\` only
prints it anew from \`bench/results/\`. Do not edit it by hand.

Contestants run in turns (A B C A B C …), each in a process of its own. Figures are medians over the
rounds, with the least and the most; ratios are medians over the rounds as well, each of what was
measured in the same round. Publishing and consuming go on at once, every message is
acknowledged one by one, and a run that loses, doubles or misorders a message has no figure.
"first ÷ this" says how many times the first contestant is as fast.
`;

/** Where the rates ask why: of what is compared with peers, and of what misses its aim. */
export const profiledScenarios: readonly string[] = [
  'unordered',
  'keys',
  'one-key',
  'idle',
  'hot-key',
];
const profileLines = 10;

export function resultsFile(suite: string): string {
  return fileURLToPath(new URL(`results/${suite}.json`, import.meta.url));
}

export function writePage(): void {
  writeFileSync(pageFile, page());
}

/** The page as the kept results make it. */
export function page(): string {
  const parts = [introduction, ...suiteNames.map(sectionOf), readFileSync(notesFile, 'utf8')];
  return `${parts.map((part) => part.trim()).join('\n\n')}\n`;
}

function sectionOf(suite: SuiteName): string {
  const file = resultsFile(suite);
  if (!existsSync(file)) return `## ${suite}\n\nNot measured yet.`;
  return section(JSON.parse(readFileSync(file, 'utf8')) as Document);
}

function section(document: Document): string {
  const { suite, date, commit, quick, machine, versions, settings } = document;
  const others = disturbance(document);
  const state = [
    quick ? 'a quick run, for a first look' : 'a full run',
    others > 0.2
      ? `on a machine that was busy with other work (up to ${number(others)} cores)`
      : 'on a quiet machine',
  ].join(', ');
  const facts: readonly [string, string][] = [
    ['commit', commit ?? 'not recorded'],
    ['machine', `${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GB, ${machine.system}`],
    [
      'disk',
      `4 KB durable in p50 ${number(machine.syncP50Ms)} ms, p99 ${number(machine.syncP99Ms)} ms`,
    ],
    [
      'versions',
      Object.entries(versions)
        .map((pair) => pair.join(' '))
        .join(', '),
    ],
    ...Object.entries(settings),
  ];
  return [
    `## ${suite}`,
    `Measured on ${date.slice(0, 10)}: ${state}.`,
    facts.map(([name, value]) => `- ${name}: ${value}`).join('\n'),
    ...document.scenarios.map(scenarioSection),
    `### Aims: ${suite}`,
    markdown([['', 'aim', 'measured', ''], ...judge(document).map((one) => Object.values(one))]),
  ].join('\n\n');
}

function scenarioSection(scenario: ScenarioResult): string {
  // Of variants the last one is what the question is about.
  const profiled = scenario.contestants.at(scenario.compare === 'peers' ? 0 : -1);
  const parts = [`### ${scenario.title}`, markdown(scenarioTable(scenario))];
  if (profiledScenarios.includes(scenario.name) && profiled?.profile !== undefined) {
    const rows = profiled.profile
      .slice(0, profileLines)
      .map(({ name, place, share }) => [
        `\`${name}\``,
        place === '' ? '' : `\`${place}\``,
        `${share.toFixed(1)} %`,
      ]);
    parts.push(
      `Self time of ${profiled.name}, in a further round under the profiler:`,
      markdown([['function', 'where', 'share'], ...rows]),
    );
  }
  return parts.join('\n\n');
}
