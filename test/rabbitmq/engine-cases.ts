/** Runs cases against engines over a server, with the patience that takes. */
import { type ConformanceOptions, runConformance } from 'malote/testing';
import { test, vi } from 'vitest';

export interface EngineCases extends Omit<ConformanceOptions, 'test' | 'patience'> {
  /** How long a wait lasts at least, before it gives up. */
  readonly realMs?: number;
  /** In how long what is under way comes to an end. */
  readonly quietMs?: number;
}

/** To be called where tests are defined. Each case runs once, unless seeds are given. */
export function runCases({ realMs = 4_000, quietMs = 40, ...options }: EngineCases): void {
  // A case takes seconds, and more on a crowded machine.
  vi.setConfig({ testTimeout: 90_000 });
  const patience = { virtualMs: 1_500, realMs, quietMs };
  runConformance({ seeds: [1], ...options, test, patience });
}
