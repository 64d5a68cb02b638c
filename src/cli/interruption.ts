/**
 * Ctrl+C. It ends the command at once, unless the command asked to hear of it: then the first one
 * is a request to come to an end, and the second one ends it at once.
 */

export interface Interruption {
  /** From now on the first Ctrl+C aborts this signal. */
  expected(): AbortSignal;
}

export function createInterruption(endAtOnce: () => void): Interruption {
  let expecting: AbortController | null = null;
  process.on('SIGINT', () => {
    if (expecting === null || expecting.signal.aborted) endAtOnce();
    else expecting.abort();
  });
  return {
    expected() {
      expecting ??= new AbortController();
      return expecting.signal;
    },
  };
}
