/**
 * The sessions of one process at one file: what kills the process kills all of them. So a message
 * that has to be tried alone is alone among all of them: while one session waits to hold nothing
 * but such a message, or holds it, the gates of the others are shut.
 *
 * This is known in memory: nobody outside of the process has to ask.
 */

/** A session as the others of its process see it. */
export interface Member {
  /** Deliveries that are not settled. */
  out(): number;
  /** Whether it would still take what it has shut the others' gates for. */
  wantsIt(): boolean;
  schedule(): void;
}

/** One session's place in its household. */
export interface Membership {
  /** Whether another session has shut the gate. */
  isShut(): boolean;
  /** Shuts the gates of the others, if it may; answers whether all of them hold nothing. */
  shut(): boolean;
  /** Opens the gates that this session has shut. */
  open(): void;
  leave(): void;
}

interface Household {
  readonly members: Set<Member>;
  shutBy: Member | null;
}

/** By process and file. */
const households = new Map<string, Household>();

export function enterHousehold(address: string, me: Member): Membership {
  const household = households.get(address) ?? { members: new Set<Member>(), shutBy: null };
  households.set(address, household);
  const { members } = household;
  members.add(me);

  function isShut(): boolean {
    const { shutBy } = household;
    if (shutBy === null || shutBy === me) return false;
    if (shutBy.wantsIt()) return true;
    household.shutBy = null;
    return false;
  }

  function open(): void {
    if (household.shutBy !== me) return;
    household.shutBy = null;
    for (const member of members) if (member !== me) member.schedule();
  }

  return {
    isShut,
    shut() {
      if (isShut()) return false;
      household.shutBy = me;
      for (const member of members) if (member !== me && member.out() > 0) return false;
      return true;
    },
    open,
    leave() {
      open();
      members.delete(me);
      if (members.size === 0) households.delete(address);
    },
  };
}
