/**
 * While some that would wait for room are asking the engine for it, later calls are held back: one
 * of them that found room which was made meanwhile would go past those that found none.
 */

export interface Asking<Waiter> {
  /** Keeps it until the answer has come, if some are asking; answers whether. */
  hold(waiter: Waiter): boolean;
  begin(): void;
  /** The answer is dealt with: those that were held back go on, and then the room is shared out. */
  end(): void;
  /** Room that is made before the answer counts after it: those who ask may have come too early. */
  roomMade(messages: number): void;
}

export function createAsking<Waiter>(options: {
  goOn(waiter: Waiter): void;
  roomMade(messages: number): void;
}): Asking<Waiter> {
  let isAsking = false;
  let held: Waiter[] = [];
  let made = 0;
  return {
    hold(waiter) {
      if (isAsking) held.push(waiter);
      return isAsking;
    },
    begin() {
      isAsking = true;
    },
    end() {
      isAsking = false;
      const [next, room] = [held, made];
      [held, made] = [[], 0];
      for (const waiter of next) options.goOn(waiter);
      options.roomMade(room);
    },
    roomMade(messages) {
      if (isAsking) made += messages;
      else options.roomMade(messages);
    },
  };
}
