/**
 * Calls on their way into the file: batches of items, worked off in order over as many turns as
 * they need. An outcome counts once the turn that made it is committed; until then it can be
 * taken back.
 */

export interface Calls<Item, Outcome> {
  readonly isEmpty: boolean;
  push(items: readonly Item[], deadlineAt: number): Promise<readonly Outcome[]>;
  /**
   * Works off items until the budget is used up, or `apply` answers undefined: not now.
   *
   * @param isOver - whether there is time for no more; the first item is done all the same
   * @returns how much of the budget was used
   */
  work(
    budget: number,
    apply: (item: Item, serial: number) => Outcome | undefined,
    isOver?: () => boolean,
  ): number;
  /** The serial number of the first call that a budget does not finish; `Infinity`: it does. */
  reach(budget: number): number;
  commit(): void;
  rollback(): void;
  /** Ends every call the turn has worked on; answers whether there was any. */
  fail(failure: Failure<Outcome>): boolean;
  /** Ends every call whose time is over by `now`. */
  expire(now: number, failure: Failure<Outcome>): void;
  failAll(error: Error): void;
}

export interface Failure<Outcome> {
  readonly error: Error;
  /** What is said about items of a call of which others were stored in earlier turns, or null:
   * then the call rejects. */
  readonly outcome: Outcome | null;
  /** Whether a call that nothing was stored of answers the outcome instead of rejecting. */
  readonly answers: boolean;
}

/** Numbers calls of all kinds in the order they were made. */
export interface Serial {
  last: number;
}

interface Call<Item, Outcome> {
  readonly serial: number;
  readonly items: readonly Item[];
  readonly deadlineAt: number;
  readonly outcomes: Outcome[];
  committed: number;
  resolve(outcomes: readonly Outcome[]): void;
  reject(error: Error): void;
}

/** @param weigh - what an item takes of the budget */
export function createCalls<Item, Outcome>(
  serials: Serial,
  weigh: (item: Item) => number = () => 1,
): Calls<Item, Outcome> {
  let waiting: Call<Item, Outcome>[] = [];
  let touched = 0;

  const dropTouched = (keepLast: boolean): void => {
    const dropped = keepLast ? touched - 1 : touched;
    waiting = dropped === waiting.length ? [] : waiting.slice(dropped);
    touched = 0;
  };

  return {
    get isEmpty() {
      return waiting.length === 0;
    },
    push(items, deadlineAt) {
      if (items.length === 0) return Promise.resolve([]);
      return new Promise((resolve, reject) => {
        const serial = ++serials.last;
        waiting.push({ serial, items, deadlineAt, outcomes: [], committed: 0, resolve, reject });
      });
    },
    work(budget, apply, isOver = never) {
      let left = budget;
      for (const call of waiting) {
        if (left <= 0) break;
        touched += 1;
        const { items, outcomes, serial } = call;
        while (outcomes.length < items.length && left > 0) {
          if (left < budget && isOver()) return budget - left;
          const item = items[outcomes.length]!;
          const outcome = apply(item, serial);
          if (outcome === undefined) return budget - left;
          outcomes.push(outcome);
          left -= weigh(item);
        }
      }
      return budget - left;
    },
    reach(budget) {
      let left = budget;
      for (const { serial, items, outcomes } of waiting) {
        for (let index = outcomes.length; index < items.length; index++) {
          if (left <= 0) return serial;
          left -= weigh(items[index]!);
        }
      }
      return Number.POSITIVE_INFINITY;
    },
    commit() {
      if (touched === 0) return;
      const worked = waiting;
      const count = touched;
      const last = worked[count - 1]!;
      dropTouched(last.outcomes.length < last.items.length);
      for (let index = 0; index < count; index++) {
        const call = worked[index]!;
        call.committed = call.outcomes.length;
        if (call.committed === call.items.length) call.resolve(call.outcomes);
      }
    },
    rollback() {
      for (let index = 0; index < touched; index++) {
        const call = waiting[index]!;
        call.outcomes.length = call.committed;
      }
      touched = 0;
    },
    fail(failure) {
      const failed = waiting.slice(0, touched);
      dropTouched(false);
      for (const call of failed) endCall(call, failure);
      return failed.length > 0;
    },
    expire(now, failure) {
      const over = waiting.filter((call) => call.deadlineAt <= now);
      if (over.length === 0) return;
      waiting = waiting.filter((call) => call.deadlineAt > now);
      for (const call of over) endCall(call, failure);
    },
    failAll(error) {
      const all = waiting;
      waiting = [];
      touched = 0;
      for (const call of all) call.reject(error);
    },
  };
}

const never = (): boolean => false;

function endCall<Item, Outcome>(call: Call<Item, Outcome>, failure: Failure<Outcome>): void {
  const { error, outcome, answers } = failure;
  call.outcomes.length = call.committed;
  if (outcome === null || (call.committed === 0 && !answers)) {
    call.reject(error);
    return;
  }
  while (call.outcomes.length < call.items.length) call.outcomes.push(outcome);
  call.resolve(call.outcomes);
}
