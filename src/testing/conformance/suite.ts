/** Every case, theme by theme, in the order the guarantees page lists them. */

import { acceptance } from './acceptance.ts';
import type { ConformanceCase } from './case.ts';
import { delivery } from './delivery.ts';

export const conformance: readonly ConformanceCase[] = [...acceptance, ...delivery];
