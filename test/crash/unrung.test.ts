/**
 * Processes of one SQLite file that cannot ring each other: where the doorbell would hang there is
 * a file. Messages, facts and deaths are found by looking, a little later.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { dependency, message } from 'malote';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Act, workAsked } from './acts.ts';
import { sqliteIn } from './arena.ts';
import { sharingCases } from './sharing-cases.ts';
import { acts, go, labelsOf, type OpenStage, openStage } from './stage.ts';

const gate = dependency('gate');
const gated = message<Act>(workAsked.name, { waitFor: ({ label }) => gate(label) });
const leaseMs = 1_000;

const openUnrung: OpenStage = (options) => {
  const folder = temporaryFolder();
  writeFileSync(`${sqliteIn(folder).engine}.bell`, '');
  return openStage(folder, options);
};

sharingCases(openUnrung);

test('a fact of one process releases what waits for it in another', async () => {
  await using stage = await openUnrung();
  const worker = await stage.enter('worker');
  const [act] = acts('quick', 'a', ['waiter']);
  await stage.bus.publish(gated, act!, { orderKey: 'a' });
  await stage.until(({ waiting }) => waiting === 1);
  assert.deepEqual(labelsOf(worker, 'start'), []);

  await stage.bus.fulfil(gate('waiter'));
  await worker.notice(({ kind, label }) => kind === 'end' && label === 'waiter');
  const { done, dead } = await stage.until(({ depth }) => depth === 0);

  assert.deepEqual([done, dead], [1, 0]);
});

test('what a killed process held is with another when its lease is over', async () => {
  await using stage = await openUnrung({ lease: leaseMs });
  const victim = await stage.enter('victim');
  const held = ['ordered', 'loose'];
  await stage.publish(...acts('hold', 'a', ['ordered']), ...acts('hold', null, ['loose']));
  await victim.noticesOf('start', 2);
  const heir = await stage.enter('heir');

  victim.signal('SIGKILL');
  await heir.noticesOf('start', 2);
  go(heir, held);
  const { done, dead } = await stage.drained();

  assert.deepEqual(labelsOf(heir, 'start').toSorted(), held.toSorted());
  assert.deepEqual([done, dead], [2, 0]);
});
