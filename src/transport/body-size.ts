/**
 * How many messages fill so many bytes, by the bodies that came lately: so that what is taken in
 * at once is bounded by its size, before anybody has seen it.
 */

export interface BodySize {
  /** Messages whose bodies are about so many bytes; one at least. */
  within(bytes: number): number;
  /** These came: they say how large the next ones are. */
  came(messages: number, bytes: number): void;
}

/** @param guess - bytes of a body, before any was seen */
export function createBodySize(guess: number): BodySize {
  let mean = guess;
  let isGuess = true;
  return {
    within: (bytes) => Math.max(1, Math.floor(bytes / mean)),
    came(messages, bytes) {
      if (messages === 0) return;
      const latest = Math.max(1, bytes / messages);
      // Larger ones count at once, smaller ones by and by: a large one may be next.
      mean = isGuess ? latest : Math.max(latest, (3 * mean + latest) / 4);
      isGuess = false;
    },
  };
}
