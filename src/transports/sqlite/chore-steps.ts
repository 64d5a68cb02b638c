/** Which function does a step of which chore. */

import { adoptStep } from './adopt.ts';
import type { ChoreKind, Step } from './chores.ts';
import { divertStep } from './divert.ts';
import { wakeStep } from './facts.ts';
import { reopenStep } from './redrive.ts';
import { forgetStep } from './subscribe.ts';
import { sweepStep } from './repetitions.ts';

export const choreSteps: Readonly<Record<ChoreKind, Step>> = {
  wake: wakeStep,
  divert: divertStep,
  reopen: reopenStep,
  adopt: adoptStep,
  forget: forgetStep,
  sweep: sweepStep,
};
