/**
 * Runs the conformance suite against an engine, by way of whatever test runner there is: each case
 * is handed to `test` as a sentence and a function. A case the engine does not promise is not run,
 * and a line says why.
 */

import { whyNotPromised, type ConformanceCase } from './conformance/case.ts';
import type { EngineUnderTest, Patience } from './conformance/harness.ts';
import { startHarness } from './conformance/start-harness.ts';
import { conformance } from './conformance/suite.ts';

export interface ConformanceOptions {
  /** Makes an empty engine in a place of its own, once per case and seed. */
  readonly engine: () => EngineUnderTest;
  /** `test` of vitest or of `node:test`. */
  readonly test: (title: string, run: () => Promise<void>) => unknown;
  /** For cases in which chance decides; each runs once per seed. */
  readonly seeds?: readonly number[];
  /** The cases to run; all of them when left out. */
  readonly cases?: readonly ConformanceCase[];
  readonly patience?: Patience;
  /** Hears which promises the engine does not make. */
  readonly report?: (line: string) => void;
}

const usualSeeds: readonly number[] = [1, 2, 3];

export function runConformance(options: ConformanceOptions): void {
  const { engine, test, seeds = usualSeeds, cases = conformance, patience } = options;
  const report = options.report ?? ((line: string) => void process.stdout.write(`${line}\n`));
  // Engines are lazy: this one is never opened, and leaves nothing behind.
  const { capabilities } = engine().make();

  for (const one of cases) {
    const reason = whyNotPromised(one, capabilities);
    if (reason !== null) {
      report(`not promised: ${one.title} — ${reason}`);
      continue;
    }
    for (const seed of one.seeded === true ? seeds : seeds.slice(0, 1)) {
      const title = `${one.promise} ${one.id}: ${one.title}`;
      test(one.seeded === true ? `${title} (seed ${seed})` : title, () =>
        runCase(one, engine(), { seed, ...(patience === undefined ? {} : { patience }) }),
      );
    }
  }
}

/** Runs one case on one fresh engine; rejects when the promise is broken. */
export async function runCase(
  one: ConformanceCase,
  subject: EngineUnderTest,
  options: { readonly seed?: number; readonly patience?: Patience } = {},
): Promise<void> {
  const harness = startHarness(subject, options.seed, options.patience);
  try {
    await one.run(harness);
    await harness.end();
  } catch (error) {
    // What the case found first is the news; a harness that cannot end any more only follows it.
    await harness.end().catch(() => undefined);
    throw error;
  } finally {
    await subject.remove?.();
  }
}
