/**
 * For how long at once this process kept its event loop busy, or let it wait for the disk: without
 * the time for which the processor had been given to somebody else, which on a machine that others
 * use too is most of the longest stretch, and says nothing of the code.
 */

import { closeSync, openSync, readSync } from 'node:fs';

/** The kernel's accounts of the main thread: ns on a processor, ns in line for one, and turns. */
const accounts = '/proc/self/schedstat';

/** Begins to watch; the function it answers ends that, with the longest stretch, milliseconds. */
export function watchLoop(): () => number {
  const queued = openAccounts();
  let longest = 0;
  let last = performance.now();
  let lastQueued = queued.ms();
  const look = (): void => {
    const now = performance.now();
    const waited = queued.ms();
    longest = Math.max(longest, now - last - (waited - lastQueued));
    [last, lastQueued] = [now, waited];
  };
  const timer = setInterval(look, 1);
  return () => {
    clearInterval(timer);
    queued.close();
    return longest;
  };
}

/** Milliseconds for which the main thread has stood in line; 0 for ever where nobody tells. */
function openAccounts(): { ms(): number; close(): void } {
  if (process.platform !== 'linux') return { ms: () => 0, close: () => {} };
  const file = openSync(accounts, 'r');
  const buffer = Buffer.alloc(128);
  return {
    ms() {
      const length = readSync(file, buffer, 0, buffer.length, 0);
      return Number(buffer.toString('latin1', 0, length).split(' ')[1]) / 1e6;
    },
    close: () => closeSync(file),
  };
}
