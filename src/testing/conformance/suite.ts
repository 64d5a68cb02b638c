/** Every case, theme by theme, in the order the guarantees page lists them. */

import { acceptance } from './acceptance.ts';
import type { ConformanceCase } from './case.ts';
import { entries } from './entries.ts';
import { deadLetters } from './dead-letters.ts';
import { deadlines } from './deadlines.ts';
import { dedupes } from './dedupe.ts';
import { delays } from './delays.ts';
import { deliveries } from './delivery.ts';
import { fairness } from './fairness.ts';
import { histories } from './histories.ts';
import { holds } from './holds.ts';
import { joins } from './joins.ts';
import { leases } from './leases.ts';
import { limits } from './limits.ts';
import { looking } from './looking.ts';
import { orders } from './order.ts';
import { poison } from './poison.ts';
import { redrives } from './redrive.ts';
import { retries } from './retry.ts';
import { subscriptions } from './subscriptions.ts';
import { waitingRaces } from './waiting-races.ts';
import { waiting } from './waiting.ts';

export const conformance: readonly ConformanceCase[] = [
  ...acceptance,
  ...dedupes,
  ...deliveries,
  ...orders,
  ...fairness,
  ...leases,
  ...retries,
  ...poison,
  ...delays,
  ...waiting,
  ...waitingRaces,
  ...deadlines,
  ...deadLetters,
  ...redrives,
  ...subscriptions,
  ...limits,
  ...joins,
  ...holds,
  ...entries,
  ...looking,
  ...histories,
];
