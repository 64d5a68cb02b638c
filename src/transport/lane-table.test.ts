/** What the lane table hands out, to whom, and what becomes of it: rule by rule. */

import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { depth, nextDue } from './lane-table.ts';
import { arrival, bench, entryOf, failure, open, stepOf } from '../../test/support/lane-table.ts';
import { reopen } from './lane-table-lanes.ts';
import { die, giveBack, park, retry, takeOver } from './lane-table-settle.ts';

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
    assert.equal(at.table.byTag.size, 0);
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
