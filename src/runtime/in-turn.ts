/**
 * Lets values through in the order they came, however long each takes to be ready: one that is
 * ready waits for those before it, and one that fails holds up nobody.
 */

export interface InTurn<Value> {
  /** Somebody is on the way: whoever comes now has to go by {@link pass}, ready or not. */
  readonly isBusy: boolean;
  /** Calls `go` with the value when it is ready and its turn has come. */
  pass<Answer>(
    value: Value | Promise<Value>,
    go: (value: Value) => Promise<Answer>,
  ): Promise<Answer>;
}

export function createInTurn<Value>(): InTurn<Value> {
  let last: Promise<unknown> | null = null;
  return {
    get isBusy() {
      return last !== null;
    },
    pass(value, go) {
      const turn = Promise.allSettled([value, last]);
      last = turn;
      return turn.then(([ready]) => {
        if (last === turn) last = null;
        if (ready.status === 'rejected') throw ready.reason;
        return go(ready.value);
      });
    },
  };
}
