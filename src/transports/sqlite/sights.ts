/** All of one connection that looks at the file between turns: views, locks, followed facts. */

import type { Coordination } from '../../transport/coordination.ts';
import type { Facts } from '../../transport/facts.ts';
import type { Queue } from '../../transport/transport.ts';
import { coordinate, type CoordinatingOptions } from './coordination.ts';
import { followFacts } from './following.ts';
import { createReading, type Reading } from './reading.ts';
import type { Session } from './session.ts';

export interface Sights extends Reading {
  readonly coordination: Coordination;
  readonly facts: Facts;
  /** Somebody, or this process, may have changed the file. */
  look(): void;
  stop(error: Error): void;
}

export function createSights(
  session: Session,
  options: CoordinatingOptions & {
    readonly db: { exec(sql: string): void };
    readonly queue: Pick<Queue, 'mark'>;
  },
): Sights {
  const { run, queue } = options;
  const reading = createReading({ ...options, session });
  const slots = coordinate(session, options);
  const mark: Queue['mark'] = (changes) => queue.mark(changes);
  const followed = followFacts({ mark, run, readNow: reading.readNow });
  return {
    ...reading,
    coordination: slots.coordination,
    facts: followed.facts,
    look() {
      slots.look();
      followed.look();
    },
    stop: slots.stop,
  };
}
