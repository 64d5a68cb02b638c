/** What a dead letter takes along when it is sent back: its history, a new time to wait from. */

import { longestHistory, type Step, type Story } from '../../transport/lane-table.ts';
import type { JournalEntry } from '../../transport/store.ts';
import type { DeadRecord } from './dead-letters.ts';

export function storyOfReturn({ story, attempts, reason }: DeadRecord, step: Step): Story {
  const redriven: JournalEntry[] = step.journal
    ? [{ at: step.now, event: 'redriven', attempt: attempts, detail: reason }]
    : [];
  return {
    suspicion: 'none',
    crashesBeside: 0,
    wasBehind: false,
    parkedFor: [],
    waitsSince: step.now,
    firstFailure: null,
    lastFailure: null,
    history: [...(story?.history ?? []), ...redriven].slice(-longestHistory),
  };
}
