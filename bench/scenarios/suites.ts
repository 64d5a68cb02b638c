/** Which suites there are. */

import type { Scenario } from '../scenario.ts';
import { cacheScenarios, describeCache } from './cache.ts';
import { memoryScenarios } from './memory.ts';
import { describeOutbox, outboxScenarios } from './outbox.ts';
import { describePayments, paymentsScenarios } from './payments.ts';
import { describe, settings, type Length } from './settings.ts';
import { describeRabbitmq, rabbitmqScenarios } from './rabbitmq.ts';
import { sqliteScenarios } from './sqlite.ts';

export const suiteNames = ['memory', 'sqlite', 'rabbitmq', 'cache', 'outbox', 'payments'] as const;
export type SuiteName = (typeof suiteNames)[number];

export interface Suite {
  readonly name: SuiteName;
  readonly settings: Readonly<Record<string, string>>;
  readonly scenarios: readonly Scenario[];
}

export function suiteOf(name: SuiteName, length: Length): Suite {
  switch (name) {
    case 'memory':
      return {
        name,
        settings: describe(length, settings(name)),
        scenarios: memoryScenarios(length),
      };
    case 'sqlite':
      return {
        name,
        settings: describe(length, settings(name)),
        scenarios: sqliteScenarios(length),
      };
    case 'rabbitmq':
      return { name, settings: describeRabbitmq(length), scenarios: rabbitmqScenarios(length) };
    case 'cache':
      return { name, settings: describeCache(length), scenarios: cacheScenarios(length) };
    case 'outbox':
      return { name, settings: describeOutbox(length), scenarios: outboxScenarios(length) };
    case 'payments':
      return { name, settings: describePayments(length), scenarios: paymentsScenarios(length) };
  }
}
