/** The document a run makes: what was asked, on which machine, and every figure of every round. */

import type { Machine } from './machine.ts';
import type { Column, Metrics } from './scenario.ts';

export interface Document {
  readonly suite: string;
  readonly date: string;
  /** What was measured; not there in documents of before it was recorded. */
  readonly commit?: string;
  /** Asked for a first look, not for figures to quote. */
  readonly quick: boolean;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string>>;
  readonly scenarios: readonly ScenarioResult[];
}

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly compare: 'peers' | 'variants';
  readonly contestants: readonly ContestantResult[];
}

export interface ContestantResult {
  readonly name: string;
  readonly status: 'measured' | 'not compared' | 'wrong';
  readonly reason?: string;
  /** The figures of each round. */
  readonly rounds: readonly Metrics[];
  readonly figures: Readonly<Record<string, Figure>>;
  readonly samples?: readonly Metrics[];
  readonly profile?: readonly HotSpot[];
}

export interface Figure {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface HotSpot {
  readonly name: string;
  readonly place: string;
  /** Of the time in which the process was not idle, in per cent. */
  readonly share: number;
}

export function figuresOf(rounds: readonly Metrics[]): Readonly<Record<string, Figure>> {
  const metrics = new Set(rounds.flatMap((round) => Object.keys(round)));
  return Object.fromEntries(
    [...metrics].map((metric) => [metric, figureOf(rounds.map((round) => round[metric] ?? 0))]),
  );
}

function figureOf(values: readonly number[]): Figure {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const high = sorted[Math.floor(middle)] ?? 0;
  const low = sorted[Math.ceil(middle) - 1] ?? 0;
  return { median: (low + high) / 2, least: sorted[0] ?? 0, most: sorted.at(-1) ?? 0 };
}

/**
 * How many times one has what the other has: the median over the rounds, in each of which they
 * came one after the other. Where they had not as many rounds, of their medians.
 */
export function ratioOf(
  own: ContestantResult | undefined,
  other: ContestantResult | undefined,
  metric: string,
): number | null {
  if (own === undefined || other === undefined) return null;
  const ratios = own.rounds.map(
    (round, n) => (round[metric] ?? 0) / (other.rounds[n]?.[metric] ?? 0),
  );
  const isPaired = ratios.length > 0 && ratios.length === other.rounds.length;
  const ratio = isPaired
    ? figureOf(ratios).median
    : (medianOf(own, metric) ?? 0) / (medianOf(other, metric) ?? 0);
  return Number.isFinite(ratio) && ratio > 0 ? ratio : null;
}

export function contestantOf(
  document: Document,
  scenario: string,
  contestant?: string,
): ContestantResult | undefined {
  const found = document.scenarios.find(({ name }) => name === scenario);
  if (contestant === undefined) return found?.contestants[0];
  return found?.contestants.find(({ name }) => name.startsWith(contestant));
}

export function mostOf(result: ContestantResult | undefined, metric: string): number | null {
  return result?.figures[metric]?.most ?? null;
}

export function medianOf(result: ContestantResult | undefined, metric: string): number | null {
  return result?.figures[metric]?.median ?? null;
}
