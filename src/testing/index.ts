/**
 * `malote/testing`: time and chance that a test owns, and the suite that every engine has to pass.
 */

export type { ConformanceCase, PromiseId } from './conformance/case.ts';
export type {
  CallerTransaction,
  EngineUnderTest,
  Harness,
  Patience,
} from './conformance/harness.ts';
export { conformance } from './conformance/suite.ts';
export { runCase, runConformance, type ConformanceOptions } from './run-conformance.ts';
export type { CrashPoint, Faults, Trigger } from './faults.ts';
export { seededRandom, sequentialIds } from './seeded.ts';
export { settleTurns, virtualClock, type VirtualClock } from './virtual-clock.ts';
export { type TestBus, type TestBusOptions, testBus } from './test-bus.ts';
