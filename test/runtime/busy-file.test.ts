/** What becomes of the acks of a key when its SQLite file was busy for longer than a lease. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import type { Transition } from '../../src/runtime/transition.ts';
import { createSettler } from '../../src/runtime/settler.ts';
import { settleTurns } from '../../src/testing/virtual-clock.ts';
import type { Settlement } from '../../src/transport/transport.ts';
import { ack, leaseMs, numbered, outgoing, sqliteBench } from '../support/sqlite-bench.ts';

/** How much later than the first ack of the key the others are called. */
const laterMs = 10;

test('an ack that was refused as busy, and those of its key that were not, are all stored', async () => {
  const bench = sqliteBench();
  const process = await bench.open();
  await process.subscribe();
  await process.publish(...numbered('m', 3).map((id) => ({ id, key: 'k' })));
  const [first, second, third] = await process.consume().take(3);
  const transitions: Transition[] = [];
  const answers: string[] = [];
  const publish = [outgoing({ id: 'after m3' })];
  const publishing: Settlement = { kind: 'ack', delivery: third!, opens: [], publish };
  const settler = createSettler({
    queue: process.transport.queue,
    clock: bench.clock,
    events: {
      heard: true,
      notify: () => undefined,
      kept: () => undefined,
      emit: (transition) => void transitions.push(transition),
    },
    told: () => undefined,
    awaited: new Set([publishing]),
    answered: ({ delivery }, outcome) => void answers.push(`${delivery.id} ${outcome}`),
  });

  const other = bench.connect();
  other.exec('begin immediate');
  settler.push(ack(first!));
  await bench.clock.advance(laterMs);
  settler.push(ack(second!));
  settler.push(publishing);
  await bench.clock.advance(leaseMs - laterMs / 2);
  assert.equal(transitions.length, 1, 'the first one was refused');
  other.exec('rollback');
  await bench.clock.advance(100);
  await settleTurns();

  assert.equal(settler.open, 0);
  assert.deepEqual(answers, ['m3 settled']);
  assert.deepEqual(
    transitions.map((one) => [one.kind, 'code' in one ? one.code : null]),
    [['engine-trouble', 'ENGINE_BUSY']],
  );
  assert.deepEqual(bench.rows('select count(*) from ml_message'), [[1]], 'what m3 published');
  assert.deepEqual(bench.rows('select leased, done from ml_tally'), [[0, 3]]);
});
