/** Every case, theme by theme, in the order the guarantees page lists them. */

import { acceptance } from './acceptance.ts';
import type { ConformanceCase } from './case.ts';
import { effects } from './effects.ts';
import { entries } from './entries.ts';
import { deadLetters } from './dead-letters.ts';
import { deadlines } from './deadlines.ts';
import { dedupes } from './dedupe.ts';
import { delays } from './delays.ts';
import { deliveries } from './delivery.ts';
import { fairness } from './fairness.ts';
import { figures } from './figures.ts';
import { histories } from './histories.ts';
import { holds } from './holds.ts';
import { joins } from './joins.ts';
import { leases } from './leases.ts';
import { limits } from './limits.ts';
import { lives } from './lives.ts';
import { looking } from './looking.ts';
import { orderChanges } from './order-changes.ts';
import { orders } from './order.ts';
import { poison } from './poison.ts';
import { selectiveRedrives } from './redrive-some.ts';
import { redrives } from './redrive.ts';
import { retries } from './retry.ts';
import { subscriptions } from './subscriptions.ts';
import { waitingOvertaken } from './waiting-overtake.ts';
import { waitingRaces } from './waiting-races.ts';
import { waitingTurns } from './waiting-turns.ts';
import { waitingAny } from './waiting-any.ts';
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
  ...waitingAny,
  ...waitingOvertaken,
  ...waitingRaces,
  ...waitingTurns,
  ...deadlines,
  ...deadLetters,
  ...redrives,
  ...selectiveRedrives,
  ...orderChanges,
  ...subscriptions,
  ...limits,
  ...joins,
  ...effects,
  ...holds,
  ...entries,
  ...looking,
  ...figures,
  ...lives,
  ...histories,
];
