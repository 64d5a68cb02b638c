/**
 * This session's part in one subscription: it stands by for every partition, takes its share of
 * them, and lets go what is above its share once nothing of it is at work.
 */

import { isOverWithin, sleep, systemClock } from '../../clock.ts';
import { changeSettings } from '../../transport/lane-table-lanes.ts';
import { NumberMap } from '../../transport/number-map.ts';
import { createChannels } from './channels.ts';
import type { Context, Consumer, Hold, Member } from './hold.ts';
import { openIngress } from './ingress.ts';
import { workHashAfter } from './names.ts';
import { dropHold, letGo, standBy, type Turns } from './partition.ts';
import type { Registered } from './registry.ts';
import { openGate } from './relief.ts';
import { spill } from './spill.ts';
import { longestTakeOverMs } from './settings.ts';
import { openShared, type Shared } from './shared.ts';

export interface Membership {
  readonly member: Member;
  /** Its consumers want messages again. */
  comeBack(): void;
  /** Nobody here wants messages any more: what is at work is finished, the rest goes to others. */
  leave(): void;
  /** The specification or the pause changed; null: the subscription is gone. */
  changed(registered: Registered | null): void;
  /** Other members came or went. */
  rebalance(): void;
  /** To be called whenever something may have been finished. */
  tidy(): void;
  /** Reads nothing of programs without malote any more; resolves when nothing is on its way. */
  closeIngress(): Promise<void>;
  /** Resolves when a subscription that is gone has nothing open here, or after a second. */
  left(): Promise<void>;
}

interface State {
  readonly member: Member;
  readonly turns: Turns;
  shared: Shared | null;
  /** Partitions for which this session is about to stand by. */
  readonly joining: Set<number>;
  isJoined: boolean;
  /** One after the other: consumers may go and come back while it stands by. */
  entering: Promise<void>;
  leaving: Promise<unknown>;
}

const pauseMs = 50;
const longestReadingMs = 1_000;
const longestSharingMs = 250;
const longestLeavingMs = 1_000;

export function join(
  context: Context,
  registered: Registered,
  consumers: ReadonlySet<Consumer>,
): Membership {
  const member: Member = {
    context,
    registered,
    consumers: new Set(consumers),
    channels: createChannels(context.wire.model),
    holds: new Set(),
    sources: new NumberMap(),
    hashOf: workHashAfter(`${registered.name}\n`),
    ingress: null,
    isForgotten: false,
    isLeaving: false,
    isReady: false,
    settlingCount: 0,
    doneCount: 0,
  };
  const state: State = {
    member,
    turns: {
      mayTake: (hold) => mayTake(state, hold),
      changed: () => rebalance(state),
    },
    shared: null,
    joining: new Set(),
    isJoined: false,
    entering: Promise.resolve(),
    leaving: Promise.resolve(),
  };
  state.entering = enter(state);
  return {
    member,
    comeBack() {
      if (!member.isLeaving || member.isForgotten) return;
      member.isLeaving = false;
      for (const hold of member.holds) keep(hold);
      state.entering = state.entering.then(() => enter(state));
    },
    leave: () => leave(state),
    changed: (now) => (now === null ? forget(state) : change(member, now)),
    rebalance: () => rebalance(state),
    tidy: () => tidy(state),
    closeIngress: () => closeIngress(member),
    async left() {
      // What is asked of a server over a connection that ends is not always answered.
      await isOverWithin(longestLeavingMs, state.leaving);
    },
  };
}

async function closeIngress(member: Member): Promise<void> {
  const { ingress } = member;
  member.ingress = null;
  await ingress?.stop();
}

async function enter(state: State): Promise<void> {
  const { member } = state;
  const { context, registered } = member;
  try {
    state.shared ??= await openShared(member);
    if (member.isLeaving) state.shared.stop();
    const each = Array.from({ length: registered.partitions }, (_, index) => index);
    await Promise.all(each.map((index) => standByAgain(state, index)));
    if (member.isLeaving || member.isForgotten) return;
    // Only now may the others let go: what they let go finds this session standing by.
    state.isJoined = true;
    context.presence.announce(registered.name, true);
    rebalance(state);
    await settleIn(state);
    if (member.isLeaving || member.isForgotten) return;
    member.ingress ??= await openIngress(member);
    if (member.isLeaving || member.isForgotten) await closeIngress(member);
  } catch (error) {
    if (context.isOpen() && !member.isForgotten) context.broken(String(error));
  }
}

/**
 * Nothing is handed out before this session has read its share of the partitions, or others have
 * had a while to let go of it: otherwise the shared queue, which needs no reading, would take all
 * of the first credit.
 */
async function settleIn(state: State): Promise<void> {
  const { member } = state;
  const { context, registered } = member;
  const isRead = ({ partition, isTaking }: Hold): boolean =>
    partition !== null && partition.main !== null && !isTaking;
  const since = systemClock.monotonic();
  for (;;) {
    const isAlone = context.presence.peersOf(registered.name).length === 0;
    const waitMs = isAlone ? longestReadingMs : longestSharingMs;
    const read = [...member.holds].filter(isRead).length;
    if (member.isForgotten || read >= shareOf(state) || systemClock.monotonic() - since > waitMs)
      break;
    await sleep(2);
  }
  member.isReady = true;
  context.look();
}

async function standByAgain(state: State, index: number): Promise<void> {
  const { member, joining, turns } = state;
  const isThere = [...member.holds].some(({ partition }) => partition?.index === index);
  if (isThere || joining.has(index)) return;
  joining.add(index);
  try {
    await standBy(member, index, turns);
  } finally {
    joining.delete(index);
  }
}

function shareOf({ member }: State): number {
  const { context, registered } = member;
  const members = 1 + context.presence.peersOf(registered.name).length;
  return Math.ceil(registered.partitions / members);
}

/**
 * What is merely offered does not count: two partitions that are offered at once would each be
 * passed on because of the other, from process to process, for ever.
 */
function taken({ member }: State): Hold[] {
  return [...member.holds].filter(({ partition }) => {
    if (partition === null || !partition.isGranted) return false;
    return partition.state === 'owned' || partition.state === 'reading';
  });
}

async function mayTake(state: State, hold: Hold): Promise<boolean> {
  const { member } = state;
  const { context, registered } = member;
  const grant = (): boolean => {
    hold.partition!.isGranted = taken(state).length < shareOf(state);
    return hold.partition!.isGranted;
  };
  if (!member.isLeaving) {
    if (grant()) return true;
    await context.presence.verify(registered.name);
    if (!member.isLeaving && hold.isOpen && grant()) return true;
  }
  if (hold.isOpen) void passOn(state, hold);
  return false;
}

/** Somebody else is next in line; this session stands by again behind the others. */
async function passOn(state: State, hold: Hold): Promise<void> {
  const { member } = state;
  const { context } = member;
  const { index } = hold.partition!;
  try {
    await letGo(hold);
    await sleep(pauseMs);
    if (member.isLeaving || member.isForgotten || !context.isOpen()) return;
    await standByAgain(state, index);
  } catch (error) {
    if (context.isOpen() && !member.isForgotten) context.broken(String(error));
  }
}

function rebalance(state: State): void {
  // What was being read when nobody wanted messages any more is let go now that it can be.
  if (state.member.isLeaving) releaseAll(state);
  if (!state.isJoined) return;
  // What has changed hands most stays: so what waits is given to as few as possible.
  const owned = taken(state).toSorted((a, b) => b.partition!.epoch - a.partition!.epoch);
  for (const hold of owned.slice(shareOf(state))) release(hold);
  state.member.context.look();
}

/** What was about to be let go, and is not yet: whoever has come back goes on with it. */
function keep({ partition, table, member }: Hold): void {
  if (partition?.state !== 'releasing') return;
  partition.state = 'owned';
  table.paused = member.registered.isPaused;
}

function release(hold: Hold): void {
  const partition = hold.partition!;
  // What is still being read is taken first: it cannot be let go in the middle.
  if (partition.state !== 'owned') return;
  partition.state = 'releasing';
  hold.table.paused = true;
}

/** Lets go of what is drained, and asks the server for as much as there is room for. */
function tidy(state: State): void {
  const { member } = state;
  for (const hold of member.holds) {
    const { partition, table } = hold;
    openGate(hold);
    spill(hold);
    if (isStuck(hold)) state.member.context.broken(`partition ${partition?.index} is not read`);
    if (partition !== null && partition.renewAt <= state.member.context.host.clock.monotonic()) {
      release(hold);
    }
    if (partition?.state !== 'releasing') continue;
    const isTaking = hold.isTaking || hold.incoming.length > 0;
    // What is under way and its original would both be with the next owner.
    const isMoving = hold.burying > 0 || isCopying(hold);
    const isBusy = table.counts.leased > 0 || isTaking || isMoving;
    if (!isBusy) void passOn(state, hold);
  }
  state.shared?.refresh();
  state.shared?.renew();
}

/** The net below the protocol: whatever it is that does not come, a new connection asks anew. */
function isStuck({ partition, isTaking }: Hold): boolean {
  if (partition === null || partition.readingSince === null) return false;
  if (partition.state !== 'reading' && !isTaking) return false;
  return systemClock.monotonic() - partition.readingSince > longestTakeOverMs;
}

function isCopying({ byIdentity }: Hold): boolean {
  for (const source of byIdentity.values()) if (source.isCopying) return true;
  return false;
}

function leave(state: State): void {
  const { member } = state;
  if (member.isLeaving) return;
  member.isLeaving = true;
  state.isJoined = false;
  member.context.presence.announce(member.registered.name, false);
  state.shared?.stop();
  void closeIngress(member);
  for (const hold of member.holds) {
    if (hold.partition?.state === 'standby') void passOn(state, hold);
  }
  releaseAll(state);
}

function releaseAll({ member }: State): void {
  for (const hold of member.holds) if (hold.partition !== null) release(hold);
  member.context.look();
}

function change(member: Member, registered: Registered): void {
  member.registered = registered;
  for (const { table, partition } of member.holds) {
    changeSettings(table, registered.spec);
    table.paused = registered.isPaused || partition?.state === 'releasing';
  }
  member.context.look();
}

function forget(state: State): void {
  const { member } = state;
  member.isForgotten = true;
  for (const hold of member.holds) dropHold(hold);
  state.leaving = Promise.all([closeIngress(member), member.channels.close()]);
  member.context.look();
}
