/** One line on a terminal that says how far a run is; nothing where nobody looks. */
import { setInterval } from 'node:timers/promises';
import type { Bus } from 'malote';
import { ledger } from '../status.ts';

export interface Progress {
  end(): void;
}

const everyMs = 200;
const columns = 30;

export function showProgress(bus: Bus, payments: number, accepted: () => number): Progress {
  const { stdout } = process;
  const ending = new AbortController();
  const { signal } = ending;

  async function show(): Promise<void> {
    for await (const _ of setInterval(everyMs, undefined, { signal })) {
      const { done, dead, waiting } = await bus.subscriptions.stats(ledger);
      if (signal.aborted) return;
      const full = Math.round((columns * accepted()) / payments);
      const bar = '█'.repeat(full) + '░'.repeat(columns - full);
      const figures = `${accepted()} accepted, ${done} booked, ${waiting} waiting, ${dead} dead`;
      stdout.write(`\r\u001b[K  ${bar}  ${figures}`);
    }
  }

  if (stdout.isTTY) show().catch(() => {});
  return {
    end() {
      ending.abort();
      if (stdout.isTTY) stdout.write('\r\u001b[K');
    },
  };
}
