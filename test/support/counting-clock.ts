/** A clock that tests move, and that says how many timers are armed: what would keep a process. */
import { virtualClock, type VirtualClock } from '../../src/testing/virtual-clock.ts';

export function countingClock(): VirtualClock & { armed(): number } {
  const clock = virtualClock();
  const timers = new Set<object>();
  return {
    ...clock,
    armed: () => timers.size,
    setTimer(run, ms) {
      const fired = (): void => {
        timers.delete(timer);
        run();
      };
      const timer = clock.setTimer(fired, ms);
      timers.add(timer);
      return {
        unref: () => timer,
        cancel() {
          timers.delete(timer);
          timer.cancel();
        },
      };
    },
  };
}
