/** What wakes the loop when nobody calls: the next thing that is due, and a regular look. */

import type { Clock, Timer } from '../../clock.ts';

export interface WakeUps {
  /** Rings after this time at the latest, unless something earlier is expected already. */
  expect(at: number, now: number): void;
  /** Whether the regular look keeps the process alive. */
  hold(keeps: boolean): void;
  stop(): void;
}

/** The net under every wake-up: a change by anybody else is seen within this. */
const pollMs = 100;

export function createWakeUps(
  clock: Clock,
  { ring, look }: { readonly ring: () => void; readonly look: () => void },
): WakeUps {
  let alarm: Timer | null = null;
  let alarmAt = Number.POSITIVE_INFINITY;
  let keepsAlive = false;
  let isStopped = false;
  let poll = startPolling();

  function startPolling(): Timer {
    const timer = clock.setTimer(onPoll, pollMs);
    return keepsAlive ? timer : timer.unref();
  }

  function onPoll(): void {
    poll = startPolling();
    look();
  }

  function onAlarm(): void {
    alarmAt = Number.POSITIVE_INFINITY;
    ring();
  }

  return {
    expect(at, now) {
      if (at >= alarmAt || isStopped) return;
      alarm?.cancel();
      alarmAt = at;
      alarm = clock.setTimer(onAlarm, Math.max(1, at - now)).unref();
    },
    hold(keeps) {
      if (keepsAlive === keeps || isStopped) return;
      keepsAlive = keeps;
      poll.cancel();
      poll = startPolling();
    },
    stop() {
      isStopped = true;
      alarm?.cancel();
      poll.cancel();
    },
  };
}
