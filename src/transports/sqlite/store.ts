/** Looking at the file and acting on it. */
import type { Store } from '../../transport/store.ts';
import type { Session } from './session.ts';
import { setPaused } from './subscribe.ts';
export interface StoreDoor {
  command<Answer>(run: (session: Session) => Answer): Promise<Answer>;
  check(): void;
}
export function createStore(session: Session, { command, check }: StoreDoor): Store {
  void session;
  const later = async (): Promise<never> => {
    throw new Error('soon');
  };
  return {
    get: later,
    cancel: later,
    dead: later,
    redrive: later,
    waiting: later,
    subscriptions: later,
    async setPaused(name, paused) {
      check();
      return command((inside) => setPaused(inside, name, paused));
    },
  };
}
