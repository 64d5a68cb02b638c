/** A document as text: for the terminal in columns, for the page in Markdown. */

import { judge } from './aims.ts';
import { number } from './number.ts';
import {
  ratioOf,
  type ContestantResult,
  type Document,
  type Figure,
  type ScenarioResult,
} from './results.ts';

export type Table = readonly (readonly string[])[];

/** Header first. */
export function scenarioTable(scenario: ScenarioResult): Table {
  const [first, ...others] = scenario.columns;
  const comparison = scenario.compare === 'peers' ? 'first ÷ this' : 'difference';
  const header = ['', first!.label, comparison, ...others.map(({ label }) => label)];
  const [reference] = scenario.contestants;
  const rows = scenario.contestants.map((contestant) => {
    if (contestant.status !== 'measured') {
      const why = `${contestant.status}: ${contestant.reason ?? ''}`;
      return [contestant.name, why, ...header.slice(2).map(() => '')];
    }
    return [
      contestant.name,
      figure(contestant.figures[first!.metric], 'with range'),
      compared(scenario, contestant, reference!),
      ...others.map(({ metric }) => figure(contestant.figures[metric])),
    ];
  });
  return [header, ...rows];
}

function compared(
  { columns, compare }: ScenarioResult,
  contestant: ContestantResult,
  reference: ContestantResult,
): string {
  const { metric, better } = columns[0]!;
  if (contestant === reference) return '';
  const isMore = compare === 'peers' && better === 'more';
  const [over, under] = isMore ? [reference, contestant] : [contestant, reference];
  const ratio = ratioOf(over, under, metric);
  if (ratio === null) return '';
  if (compare === 'peers') return `${ratio.toPrecision(3)} ×`;
  const change = (ratio - 1) * 100;
  return `${change > 0 ? '+' : '−'}${Math.abs(change).toFixed(1)} %`;
}

function figure(value: Figure | undefined, range?: 'with range'): string {
  if (value === undefined) return '';
  const { median, least, most } = value;
  return range === undefined
    ? number(median)
    : `${number(median)} (${number(least)}–${number(most)})`;
}

/** How much others ran on the machine meanwhile, in cores: the largest of all medians. */
export function disturbance(document: Document): number {
  const figures = document.scenarios.flatMap(({ contestants }) =>
    contestants.map(({ figures: all }) => all['otherCpu']?.median ?? 0),
  );
  return Math.max(0, ...figures);
}

export function text(document: Document): string {
  const { machine, versions, settings, commit = 'not recorded' } = document;
  const parts = [
    `${document.suite}, ${document.date}${document.quick ? ', quick: a first look' : ''}`,
    [
      `commit ${commit}`,
      `${machine.cores} × ${machine.cpu}, ${machine.memoryGb} GB, ${machine.system}`,
      `sync of 4 KB p50 ${number(machine.syncP50Ms)} ms, p99 ${number(machine.syncP99Ms)} ms; ` +
        `load before ${number(machine.load)}; ` +
        `others used up to ${number(disturbance(document))} cores`,
      Object.entries(versions)
        .map((pair) => pair.join(' '))
        .join(', '),
      ...Object.entries(settings).map(([name, value]) => `${name}: ${value}`),
    ].join('\n'),
    ...document.scenarios.map((scenario) =>
      [scenario.title, aligned(scenarioTable(scenario)), ...profiles(scenario)].join('\n'),
    ),
    ['Aims', aligned(judge(document).map((one) => Object.values(one)))].join('\n'),
  ];
  return `${parts.join('\n\n')}\n`;
}

function profiles({ contestants }: ScenarioResult): string[] {
  return contestants.flatMap(({ name, profile }) =>
    profile === undefined
      ? []
      : [
          `  self time of ${name}`,
          ...profile.map(
            (spot) => `  ${spot.share.toFixed(1).padStart(6)} %  ${spot.name}  ${spot.place}`,
          ),
        ],
  );
}

function aligned(table: Table): string {
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  return table
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join('\n');
}

export function markdown([header, ...rows]: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = (header ?? []).map((_, column) => (column === 0 ? '---' : '---:'));
  return [line(header ?? []), line(rule), ...rows.map(line)].join('\n');
}
