/**
 * SIGTERM and SIGINT: the first stops the bus gracefully and ends the process with 0, a second one
 * ends it at once with 1 and leaves the leases to run out.
 *
 * All buses of a process share one pair of listeners: the process ends when the last has stopped.
 */

const signals = ['SIGTERM', 'SIGINT'] as const;
const stops = new Set<() => Promise<void>>();
let stopping = false;

/** Stops with the process. Answers how to forget it again. */
export function stopOnSignal(stop: () => Promise<void>): () => void {
  if (stops.size === 0) for (const signal of signals) process.on(signal, received);
  stops.add(stop);
  return () => {
    stops.delete(stop);
    if (stops.size > 0 || stopping) return;
    for (const signal of signals) process.off(signal, received);
  };
}

function received(): void {
  if (stopping) process.exit(1);
  stopping = true;
  void Promise.allSettled([...stops].map((stop) => stop())).then((results) => {
    process.exit(results.every((result) => result.status === 'fulfilled') ? 0 : 1);
  });
}
