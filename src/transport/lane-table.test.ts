import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import {
  createHolder,
  createLaneTable,
  depth,
  nextDue,
  type Claimant,
  type LaneTable,
} from './lane-table.ts';
import { claim } from './lane-table-claim.ts';
import { push, reopen, type Arrival } from './lane-table-lanes.ts';
import {
  ack,
  die,
  giveBack,
  giveBackAll,
  heldEntry,
  park,
  retry,
  takeOver,
} from './lane-table-settle.ts';
import { wake } from './lane-table-wake.ts';
import type { Delivery, FactId, OnDead, Outgoing } from './transport.ts';

const failure = { name: 'Error', message: 'failed on purpose' };

interface Bench {
  readonly table: LaneTable;
  readonly facts: Set<FactId>;
  readonly diverted: string[];
  now: number;
  add(id: string, key: string | null, more?: Partial<Arrival & Outgoing>): void;
  claimant(credit?: number, slots?: number): Claimant;
  take(claimant: Claimant): string[];
  taken(claimant: Claimant): Delivery[];
  ack(delivery: Delivery): boolean;
}

function bench(onDead: OnDead = 'skip'): Bench {
  const facts = new Set<FactId>();
  const diverted: string[] = [];
  let leases = 0;
  let order = 0;
  const table = createLaneTable({
    subscription: 'billing',
    settings: { onDead, waitingDeadlineMs: 1_000_000 },
    facts,
    nextLease: () => ({ id: ++leases, token: leases }),
    diverted: (entry) => void diverted.push(entry.message.id),
  });
  const self: Bench = {
    table,
    facts,
    diverted,
    now: 1_000,
    add(id, key, more = {}) {
      order += 1;
      push(table, arrival(id, key, { order, now: self.now, ...more }), stepOf(self));
    },
    claimant: (credit = 100, slots = 10) => ({
      holder: createHolder(),
      slots,
      credit,
      suspects: 0,
    }),
    taken: (claimant) => claim(table, claimant, stepOf(self)),
    take: (claimant) => self.taken(claimant).map(({ id }) => id),
    ack(delivery) {
      const entry = heldEntry(table, delivery);
      if (entry !== null) ack(table, entry, stepOf(self));
      return entry !== null;
    },
  };
  return self;
}

function arrival(
  id: string,
  key: string | null,
  given: Partial<Arrival & Outgoing> & { readonly order: number; readonly now: number },
): Arrival {
  const facts = given.facts ?? [];
  return {
    message: {
      id,
      topic: 'order.placed',
      body: '',
      headers: null,
      key,
      delayMs: 0,
      dedupe: [],
      facts,
    },
    key,
    tag: given.order,
    order: given.order,
    acceptedAt: given.now,
    needs: facts,
    readyAt: given.readyAt ?? given.now,
    attempt: given.attempt ?? 1,
    story: null,
  };
}

function stepOf({ now }: { readonly now: number }): {
  readonly now: number;
  readonly journal: boolean;
} {
  return { now, journal: true };
}

function entryOf({ table }: Bench, delivery: Delivery): NonNullable<ReturnType<typeof heldEntry>> {
  const entry = heldEntry(table, delivery);
  assert.ok(entry);
  return entry;
}

describe('claims', () => {
  test('the lane whose head is oldest goes first', () => {
    const at = bench();
    at.add('b1', 'b');
    at.add('a1', 'a');
    at.now += 5;
    at.add('b2', 'b');

    assert.deepEqual(at.take(at.claimant(2)), ['b1', 'a1']);
  });

  test('one lane takes at most a quarter of the credit while others are ready', () => {
    const at = bench();
    for (let index = 0; index < 50; index++) at.add(`hot${index}`, 'hot');
    for (let index = 0; index < 50; index++) at.add(`warm${index}`, 'warm');

    const keys = at.taken(at.claimant(8)).map(({ key }) => key);

    assert.deepEqual(keys.slice(0, 2), ['hot', 'hot']);
    assert.ok(keys.filter((key) => key === 'warm').length >= 2);
    assert.equal(keys.length, 8);
  });

  test('credit that no other lane can use goes to the lane that was cut short', () => {
    const at = bench();
    for (const id of ['a1', 'a2', 'a3', 'a4']) at.add(id, 'a');
    at.add('b1', 'b');

    const batch = at.taken(at.claimant(5));

    assert.deepEqual(
      batch.map(({ id }) => id),
      ['a1', 'a2', 'a3', 'a4', 'b1'],
    );
    assert.equal(new Set(batch.slice(0, 4).map(({ lease }) => lease.id)).size, 1);
  });

  test('a quiet key is served in the fourth turn, however old the backlog of the others', () => {
    const at = bench();
    for (let lane = 0; lane < 30; lane++) at.add(`old${lane}`, `k${lane}`);
    at.add('late', null);
    at.now += 60_000;
    at.add('quiet', 'quiet', { readyAt: at.now });
    const claimant = at.claimant(0);
    const order: string[] = [];
    for (let round = 0; round < 40; round++) {
      claimant.credit = 1;
      // Every old lane is refilled with a message that is as old: without turns they never end.
      for (const delivery of at.taken(claimant)) {
        order.push(delivery.id);
        if (delivery.key?.startsWith('k')) {
          at.add(`${delivery.id}+`, delivery.key, { readyAt: 1_000 });
        }
        at.ack(delivery);
      }
    }

    assert.ok(order.includes('late') && order.includes('quiet'), order.join(' '));
  });

  test('a lane under a lease is not claimed again, and goes on when the lease is done', () => {
    const at = bench();
    at.add('a1', 'a');
    at.add('a2', 'a');
    const one = at.claimant(1);
    const other = at.claimant();
    const [first] = at.taken(one);
    assert.ok(first);

    assert.deepEqual(at.take(other), []);
    assert.ok(at.ack(first));

    assert.deepEqual(at.take(other), ['a2']);
  });

  test('nothing is claimed while the subscription is paused', () => {
    const at = bench();
    at.add('m', null);
    at.table.paused = true;

    assert.deepEqual(at.take(at.claimant()), []);
  });

  test('a message that is delayed joins the end of its lane when it is due', () => {
    const at = bench();
    at.add('later', 'a', { readyAt: 2_000 });
    at.add('now', 'a');

    assert.equal(nextDue(at.table), 2_000);
    const claimant = at.claimant();
    const [first] = at.taken(claimant);
    assert.equal(first?.id, 'now');
    at.ack(first);
    at.now = 2_000;

    assert.deepEqual(at.take(claimant), ['later']);
  });
});

describe('settlements', () => {
  test('acks remove a prefix: an ack out of turn changes nothing', () => {
    const at = bench();
    at.add('a1', 'a');
    at.add('a2', 'a');
    const [first, second] = at.taken(at.claimant());
    assert.ok(first && second);

    assert.equal(at.ack(second), false);
    assert.equal(at.ack(first), true);
    assert.equal(at.ack(second), true);
    assert.equal(at.table.byKey.size, 0);
  });

  test('a retry ends the lease and holds back its own lane alone, in its old order', () => {
    const at = bench();
    for (const id of ['a1', 'a2']) at.add(id, 'a');
    at.add('b1', 'b');
    const claimant = at.claimant();
    const [first, second] = at.taken(claimant);
    assert.ok(first && second);

    retry(at.table, entryOf(at, first), { afterMs: 100, failure }, stepOf(at));

    assert.equal(at.ack(second), false);
    assert.deepEqual(at.take(claimant), []);
    assert.equal(at.table.counts.standing, 2);
    at.now += 100;
    const again = at.taken(claimant);
    assert.deepEqual(
      again.map(({ id, attempt }) => [id, attempt]),
      [['a1', 2]],
    );
    assert.ok(at.ack(again[0]!));
    assert.deepEqual(at.take(claimant), ['a2']);
  });

  test('a message without order is retried by itself, and its lease goes on for the others', () => {
    const at = bench();
    at.add('m', null);
    at.add('n', null);
    const [m, n] = at.taken(at.claimant());
    assert.ok(m && n);

    retry(at.table, entryOf(at, m), { afterMs: 0, failure }, stepOf(at));

    assert.ok(at.ack(n));
    const [again] = at.taken(at.claimant());
    assert.deepEqual([again?.id, again?.attempt], ['m', 2]);
    assert.ok(again && again.lease.token > m.lease.token);
  });

  test('two messages with one id are told apart by their leases', () => {
    const at = bench();
    for (let copy = 0; copy < 3; copy++) at.add('same', null);
    const batch = at.taken(at.claimant());

    assert.deepEqual(
      batch.map((delivery) => at.ack(delivery)),
      [true, true, true],
    );
    assert.equal(at.table.byId.size, 0);
    assert.equal(depth(at.table), 0);
  });

  test('a blocked lane stands still until it is reopened, its dead first', () => {
    const at = bench('block');
    for (const id of ['a1', 'a2', 'a3']) at.add(id, 'a');
    const claimant = at.claimant();
    const [first, second] = at.taken(claimant);
    assert.ok(first && second);

    const death = die(at.table, entryOf(at, first), stepOf(at));

    assert.deepEqual(death, { cut: second.lease, diverted: [], effect: 'blocked' });
    at.add('a4', 'a');
    assert.deepEqual(at.take(claimant), []);
    const back = arrival('a1', 'a', { order: 99, now: at.now });
    reopen(at.table, { key: 'a', arrivals: [back] }, stepOf(at));
    assert.deepEqual(at.take(claimant), ['a1', 'a2', 'a3', 'a4']);
  });

  test('a diverting lane sends its followers after the dead one, and whoever comes later', () => {
    const at = bench('divert');
    for (const id of ['a1', 'a2', 'a3']) at.add(id, 'a');
    const [first] = at.taken(at.claimant(1));
    assert.ok(first);

    const { diverted, effect } = die(at.table, entryOf(at, first), stepOf(at));
    at.add('a4', 'a');

    assert.equal(effect, 'diverted');
    assert.deepEqual(
      diverted.map(({ message }) => message.id),
      ['a2', 'a3'],
    );
    assert.deepEqual(at.diverted, ['a4']);
    assert.equal(depth(at.table), 0);
  });
});

describe('facts', () => {
  test('a message waits at the head of its lane and holds only that lane', () => {
    const at = bench();
    at.add('a1', 'a', { facts: ['f:1', 'f:2'] });
    at.add('a2', 'a');
    at.add('b1', 'b');
    const claimant = at.claimant();

    assert.deepEqual(at.take(claimant), ['b1']);
    assert.deepEqual(open(at, 'f:1'), []);
    assert.deepEqual(open(at, 'f:2'), ['a1']);
    assert.deepEqual(at.take(claimant), ['a1', 'a2']);
    assert.equal(at.table.waitingOn.size, 0);
  });

  test('what was revoked while another fact was awaited is awaited again', () => {
    const at = bench();
    at.facts.add('f:1');
    at.add('m', null, { facts: ['f:1', 'f:2'] });
    at.facts.delete('f:1');

    assert.deepEqual(open(at, 'f:2'), []);
    assert.deepEqual(at.take(at.claimant()), []);
    assert.deepEqual(open(at, 'f:1'), ['m']);
  });

  test('a park whose facts hold already puts the message back at once', () => {
    const at = bench();
    at.add('m', 'a');
    const claimant = at.claimant();
    const [m] = at.taken(claimant);
    assert.ok(m);
    at.facts.add('f:1');

    assert.equal(park(at.table, entryOf(at, m), ['f:1'], stepOf(at)), 'not-parked');
    assert.deepEqual(at.take(claimant), ['m']);
  });

  test('past its deadline a message is delivered as timed out, alone', () => {
    const at = bench();
    at.add('a1', 'a', { facts: ['f:1'] });
    at.add('a2', 'a');
    at.now += 1_000_000;

    const batch = at.taken(at.claimant());

    assert.deepEqual(
      batch.map(({ id, waitTimedOut }) => [id, waitTimedOut]),
      [['a1', true]],
    );
    assert.equal(at.table.waitingOn.size, 0);
    assert.equal(at.table.waiting.size, 0);
  });

  test('a message behind the head whose facts are missing is not delivered with it', () => {
    const at = bench();
    at.add('a1', 'a');
    at.add('a2', 'a', { facts: ['f:1'] });

    assert.deepEqual(at.take(at.claimant()), ['a1']);
  });

  test('a message that was released once is not held again when the fact is revoked', () => {
    const at = bench();
    at.facts.add('f:1');
    at.add('m', 'a', { facts: ['f:1'] });
    const claimant = at.claimant();
    const [m] = at.taken(claimant);
    assert.ok(m);
    at.facts.delete('f:1');
    giveBack(at.table, entryOf(at, m), 0, stepOf(at));

    assert.deepEqual(at.take(claimant), ['m']);
  });

  test('a fact that is revoked before the delivery holds the message back', () => {
    const at = bench();
    at.add('m', 'a', { facts: ['f:1'] });
    open(at, 'f:1');
    at.facts.delete('f:1');

    assert.deepEqual(at.take(at.claimant()), []);
    assert.equal(at.table.counts.waiting, 1);
  });
});

describe('crashes', () => {
  test('the head of a lane and every message without order spent an attempt', () => {
    const at = bench();
    for (const id of ['a1', 'a2']) at.add(id, 'a');
    at.add('m', null);
    const dying = at.claimant();
    at.taken(dying);

    takeOver(dying.holder, stepOf(at));

    assert.equal(dying.holder.held, 0);
    const batch = at.taken(at.claimant());
    assert.deepEqual(
      batch.map(({ id, attempt, suspicion }) => [id, attempt, suspicion]),
      [
        ['a1', 2, 'beside'],
        ['m', 2, 'beside'],
      ],
    );
    assert.notEqual(batch[0]?.lease.id, batch[1]?.lease.id);
  });

  test('a repeated message ends the lease it is in, wherever it stands in its lane', () => {
    const at = bench();
    at.add('a1', 'a');
    at.add('a2', 'a', { attempt: 2 });
    at.add('a3', 'a');

    assert.deepEqual(at.take(at.claimant()), ['a1', 'a2']);
  });

  test('suspects go out within the slots', () => {
    const at = bench();
    for (let index = 0; index < 6; index++) at.add(`m${index}`, null);
    const dying = at.claimant();
    at.taken(dying);
    takeOver(dying.holder, stepOf(at));
    const claimant = at.claimant(100, 2);

    const first = at.taken(claimant);
    assert.equal(first.length, 2);
    assert.deepEqual(at.take(claimant), []);
    assert.ok(at.ack(first[0]!));
    assert.equal(at.taken(claimant).length, 1);
  });

  test('who was twice beside a crash runs alone, and is then known for what it is', () => {
    const at = bench();
    for (const id of ['poison', 'innocent']) at.add(id, null);
    for (let crash = 0; crash < 2; crash++) {
      const dying = at.claimant();
      assert.equal(at.taken(dying).length, 2);
      takeOver(dying.holder, stepOf(at));
    }
    at.now += 1;
    at.add('bystander', null);
    const claimant = at.claimant();

    const alone = at.taken(claimant);
    assert.deepEqual([alone.length, alone[0]?.suspicion], [1, 'beside']);
    assert.deepEqual(at.take(claimant), []);
    at.now += 1;
    takeOver(claimant.holder, stepOf(at));

    // The other suspect is older now, and the bystander goes before the next process dies as well.
    const next = at.claimant();
    const [other] = at.taken(next);
    assert.ok(other && at.ack(other));
    assert.notEqual(other.id, alone[0]?.id);
    const [bystander] = at.taken(next);
    assert.ok(bystander && at.ack(bystander));
    const [again] = at.taken(next);
    assert.deepEqual(
      [bystander.id, again?.id, again?.suspicion],
      ['bystander', alone[0]?.id, 'alone'],
    );
  });

  test('a process falls silent before it takes one that must be alone', () => {
    const at = bench();
    for (const id of ['poison', 'innocent']) at.add(id, null);
    for (let crash = 0; crash < 2; crash++) {
      const dying = at.claimant();
      at.taken(dying);
      takeOver(dying.holder, stepOf(at));
    }
    at.add('busy', null, { readyAt: 0 });
    const claimant = at.claimant();
    const [busy, ...more] = at.taken(claimant);
    assert.deepEqual([busy?.id, more], ['busy', []]);
    at.now += 1;
    at.add('young', null);

    assert.deepEqual(at.take(claimant), []);
    assert.ok(busy && at.ack(busy));
    assert.deepEqual(at.take(claimant), ['poison']);
    assert.deepEqual(at.take(claimant), []);
  });
});

/** Steps of the random schedules; the numbers choose what a step is about. */
interface Move {
  readonly kind:
    | 'push'
    | 'claim'
    | 'ack'
    | 'retry'
    | 'release'
    | 'park'
    | 'die'
    | 'open'
    | 'revoke'
    | 'crash'
    | 'close'
    | 'time';
  readonly a: number;
  readonly b: number;
}

const move: fc.Arbitrary<Move> = fc.record({
  kind: fc.constantFrom(
    'push',
    'push',
    'push',
    'claim',
    'claim',
    'ack',
    'ack',
    'retry',
    'release',
    'park',
    'die',
    'open',
    'revoke',
    'crash',
    'close',
    'time',
  ),
  a: fc.nat(1_000),
  b: fc.nat(1_000),
});

describe('any schedule', () => {
  test('loses nothing, doubles nothing, keeps the order of each key and one lease per lane', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 120, size: 'max' }), (moves) => {
        const world = createWorld();
        for (const one of moves) {
          world.act(one);
          world.check();
        }
        assert.equal(world.drain(), 0);
      }),
      { numRuns: 300 },
    );
  });
});

/** The table beside a model of it: per key, the ids that are still to be done, in order. */
function createWorld(): { act(move: Move): void; check(): void; drain(): number } {
  const at = bench();
  const keys = [null, 'a', 'b', 'c', 'd'];
  const left = new Map<string, string[]>();
  const free = new Set<string>();
  const delayed = new Map<string, number>();
  const claimants = [at.claimant(0, 2), at.claimant(0, 1)];
  const held: Delivery[][] = [[], []];
  let made = 0;

  const join = (): void => {
    // Delayed messages join their lane in the order in which they become due.
    const due = [...delayed].filter(([, when]) => when <= at.now);
    for (const [id] of due.toSorted((x, y) => x[1] - y[1])) {
      delayed.delete(id);
      left.get(id.split('-')[0]!)?.push(id);
    }
  };
  const gone = (delivery: Delivery): void => {
    if (delivery.key === null) assert.ok(free.delete(delivery.id), `${delivery.id} was doubled`);
    else
      assert.equal(left.get(delivery.key)?.shift(), delivery.id, 'the head is the one that goes');
  };
  const pick = (one: Move): [number, Delivery] | null => {
    const who = one.a % 2;
    const mine = held[who]!;
    const chosen = mine[one.b % Math.max(1, mine.length)];
    if (chosen === undefined) return null;
    // Of a lane, only the first one held may be settled.
    const first = mine.find(({ lease }) => lease.id === chosen.lease.id)!;
    return [who, chosen.key === null ? chosen : first];
  };
  const drop = (who: number, delivery: Delivery, whole: boolean): void => {
    held[who] = held[who]!.filter((other) =>
      whole && delivery.key !== null ? other.lease.id !== delivery.lease.id : other !== delivery,
    );
  };
  const claimAs = (who: number, credit: number): void => {
    const claimant = claimants[who]!;
    claimant.credit += credit;
    const granted = claimant.credit;
    const batch = at.taken(claimant);
    join();
    assert.ok(batch.length <= granted && claimant.credit === granted - batch.length);
    const leased = new Set(held.flat().map(({ key, id }) => key ?? id));
    for (const run of runsOf(batch)) {
      const { key } = run[0]!;
      if (key !== null) {
        const ids = run.map(({ id }) => id);
        assert.deepEqual(ids, left.get(key)?.slice(0, ids.length), 'a lease covers a prefix');
      }
      for (const { id } of run) assert.ok(!leased.has(key ?? id), `${key ?? id} has two leases`);
      leased.add(key ?? run[0]!.id);
      const last = run.findIndex(({ attempt }) => attempt > 1);
      assert.ok(last === -1 || last === run.length - 1, 'attempt > 1 is the last of its lease');
    }
    held[who]!.push(...batch);
  };

  const act = (one: Move): void => {
    const step = stepOf(at);
    const who = one.a % 2;
    if (one.kind === 'push') {
      const key = keys[one.a % keys.length] ?? null;
      const id = `${key ?? 'free'}-${++made}`;
      const readyAt = one.b % 7 === 0 ? at.now + (one.b % 50) * 10 + made / 1_000 : at.now;
      if (key !== null && !left.has(key)) left.set(key, []);
      if (key === null) free.add(id);
      else if (readyAt > at.now) delayed.set(id, readyAt);
      else left.get(key)!.push(id);
      at.add(id, key, { readyAt, facts: one.b % 5 === 0 ? [`f:${one.b % 3}`] : [] });
    } else if (one.kind === 'claim') claimAs(who, one.b % 6);
    else if (one.kind === 'open') open(at, `f:${one.b % 3}`);
    else if (one.kind === 'revoke') at.facts.delete(`f:${one.b % 3}`);
    else if (one.kind === 'time') {
      at.now += one.b;
    } else if (one.kind === 'crash' || one.kind === 'close') {
      if (one.kind === 'crash') takeOver(claimants[who]!.holder, step);
      else giveBackAll(claimants[who]!.holder, step);
      for (const delivery of held[who]!) assert.equal(heldEntry(at.table, delivery), null);
      held[who] = [];
    } else settle(one);
  };

  const settle = (one: Move): void => {
    const picked = pick(one);
    if (picked === null) return;
    const [who, delivery] = picked;
    const entry = entryOf(at, delivery);
    const step = stepOf(at);
    if (one.kind === 'ack') ack(at.table, entry, step);
    else if (one.kind === 'die') die(at.table, entry, step);
    else if (one.kind === 'retry') retry(at.table, entry, { afterMs: one.b % 300, failure }, step);
    else if (one.kind === 'release') giveBack(at.table, entry, one.b % 300, step);
    else park(at.table, entry, [`f:${one.b % 3}`], step);
    const isGone = one.kind === 'ack' || one.kind === 'die';
    if (isGone) gone(delivery);
    drop(who, delivery, !isGone);
  };

  const check = (): void => {
    const { table } = at;
    const total = [...left.values()].reduce((sum, ids) => sum + ids.length, 0);
    assert.equal(depth(table), total + free.size + delayed.size);
    assert.equal(table.byId.size, depth(table));
    assert.equal(table.counts.leased, held.flat().length);
    claimants.forEach(({ holder, suspects, slots }, who) => {
      assert.equal(holder.held, held[who]!.length);
      assert.ok(suspects <= slots, 'suspects stay within the slots');
      if (holder.secluded) assert.equal(holder.held, 1, 'one that must be alone is alone');
    });
    checkLanes(table);
  };

  const drain = (): number => {
    for (const fact of ['f:0', 'f:1', 'f:2']) open(at, fact);
    for (let round = 0; depth(at.table) > 0; round++) {
      assert.ok(round < 2_000, `${depth(at.table)} messages never came`);
      at.now += 1_000;
      for (const who of [0, 1]) {
        claimAs(who, 10);
        for (const delivery of held[who]!) {
          assert.ok(at.ack(delivery));
          gone(delivery);
        }
        held[who] = [];
        check();
      }
    }
    assert.equal(at.table.byKey.size, 0);
    assert.equal(at.table.waitingOn.size, 0);
    assert.equal(at.table.counts.standing, 0);
    return depth(at.table);
  };

  return { act, check, drain };
}

function runsOf(batch: readonly Delivery[]): Delivery[][] {
  const runs: Delivery[][] = [];
  for (const delivery of batch) {
    const run = runs.at(-1);
    if (run?.[0]?.lease.id === delivery.lease.id) run.push(delivery);
    else runs.push([delivery]);
  }
  return runs;
}

/** What must hold of the records themselves after every step. */
function checkLanes(table: LaneTable): void {
  const heaps = [table.ready, table.careful, table.secluded, table.due];
  for (const heap of heaps) {
    heap.items.forEach((lane, index) => assert.equal(lane.position, index));
  }
  assert.equal(table.served.size, table.ready.items.length);
  let standing = 0;
  let ready = table.fresh.size;
  for (const lane of new Set([...table.byKey.values(), ...heaps.flatMap(({ items }) => items)])) {
    assert.ok(lane.size > 0, `lane ${lane.key} exists without messages`);
    const inHeaps = heaps.filter(({ items }) => items.includes(lane)).length;
    assert.equal(inHeaps, lane.state === 'leased' ? 0 : 1, `${lane.key} is ${lane.state}`);
    assert.equal(lane.lease !== null, lane.state === 'leased');
    if (lane.state === 'waiting' || lane.state === 'backing-off') standing += lane.size;
    let entry = lane.head;
    for (; entry !== null; entry = entry.next) if (entry.state === 'ready') ready += 1;
  }
  assert.equal(table.counts.standing, standing);
  assert.equal(table.counts.ready, ready);
}

function open(at: Bench, fact: FactId): string[] {
  at.facts.add(fact);
  return wake(at.table, fact, stepOf(at)).map(({ message }) => message.id);
}
