/**
 * Caches and locks over real processes on one SQLite file: one load for all of them, and what a
 * killed or frozen holder costs the others.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'vitest';
import { type Child, createFleet, type Fleet } from '../crash/fleet.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import type { Command, Setup, Told } from './acts.ts';

/** Far below the leases here, and far above what a crowded machine needs. */
const boundMs = 5_000;
let fleet: Fleet;
let common: Omit<Setup, 'name'>;

beforeEach(() => {
  const folder = temporaryFolder();
  fleet = createFleet();
  common = {
    file: join(folder, 'shared.db'),
    loads: join(folder, 'loads'),
    loadMs: 300,
    lease: 60_000,
    how: 'load',
  };
});
afterEach(() => fleet.end());

async function enter(name: string, given: Partial<Setup> = {}): Promise<Child> {
  const child = fleet.start('../cache/child-cache.ts', name, { ...common, ...given, name });
  await child.noticesOf('up', 1);
  return child;
}

function tell(child: Child, command: Command): void {
  child.tell(command);
}

async function told(child: Child, kind: string): Promise<Told> {
  return (await child.notice((notice) => notice.kind === kind)) as Told;
}

function loads(): string[] {
  return readFileSync(common.loads, 'utf8').trimEnd().split('\n');
}

const ask: Command = { kind: 'ask', key: 'EUR', callers: 50 };

test('many processes with many callers on a cold key call the loader once', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const children = await Promise.all(names.map((name) => enter(name)));

  for (const child of children) tell(child, ask);
  const answers = await Promise.all(children.map((child) => told(child, 'answered')));

  const [load, ...others] = loads();
  assert.deepEqual(others, []);
  const [loader] = load!.split(' ');
  for (const { values, tookMs } of answers) {
    assert.deepEqual(values, [`by ${loader}`]);
    assert.equal(tookMs?.length, 50);
  }
  for (const child of children) tell(child, { kind: 'end' });
  const ends = await Promise.all(children.map(({ ended }) => ended));
  assert.ok(ends.every(({ code }) => code === 0));
  assert.deepEqual(fleet.complaints(), []);
});

test('a process killed while it loads costs one more load, long before its lease is over', async () => {
  const victim = await enter('victim', { how: 'hang' });
  const heirs = await Promise.all(['heir', 'other'].map((name) => enter(name)));
  tell(victim, ask);
  await told(victim, 'loading');
  for (const heir of heirs) tell(heir, ask);

  const killedAt = performance.now();
  victim.signal('SIGKILL');
  const answers = await Promise.all(heirs.map((heir) => told(heir, 'answered')));
  const tookMs = performance.now() - killedAt - common.loadMs;

  console.log(`loading again ${Math.round(tookMs)} ms after the kill; the lease is a minute`);
  assert.ok(tookMs < boundMs, `it took ${tookMs} ms`);
  assert.equal(loads().length, 2);
  assert.deepEqual(answers[0]!.values, answers[1]!.values);
});

test('what a process loads that slept through its lease is refused', async () => {
  const sleeper = await enter('sleeper', { how: 'freeze', lease: 300 });
  const heir = await enter('heir', { loadMs: 1 });
  tell(sleeper, ask);
  await told(sleeper, 'loading');

  tell(heir, ask);
  assert.deepEqual((await told(heir, 'answered')).values, ['by heir']);
  sleeper.signal('SIGCONT');
  await told(sleeper, 'cache-refused');

  assert.deepEqual((await told(sleeper, 'answered')).values, ['by heir']);
  const witness = await enter('witness');
  tell(witness, ask);
  assert.deepEqual((await told(witness, 'answered')).values, ['by heir']);
  assert.deepEqual(loads(), ['sleeper EUR', 'heir EUR']);
});

test('the lock of a killed process is with another long before its ttl is over', async () => {
  const victim = await enter('victim', { lease: 600_000 });
  const heir = await enter('heir');
  tell(victim, { kind: 'lock', key: 'nightly' });
  const { token } = await told(victim, 'locked');
  tell(heir, { kind: 'lock', key: 'nightly' });

  const killedAt = performance.now();
  victim.signal('SIGKILL');
  const taken = await told(heir, 'locked');
  const tookMs = performance.now() - killedAt;

  console.log(`locked ${Math.round(tookMs)} ms after the kill; the ttl is ten minutes`);
  assert.ok(tookMs < boundMs, `it took ${tookMs} ms`);
  assert.ok(taken.token! > token!);
});

test('who holds a lock and sleeps through its ttl is told, and gives nothing back', async () => {
  const sleeper = await enter('sleeper', { lease: 300 });
  const heir = await enter('heir');
  tell(sleeper, { kind: 'lock', key: 'nightly' });
  await told(sleeper, 'locked');
  sleeper.signal('SIGSTOP');
  tell(heir, { kind: 'lock', key: 'nightly' });
  await told(heir, 'locked');

  sleeper.signal('SIGCONT');
  await told(sleeper, 'lost');
  tell(sleeper, { kind: 'release' });

  assert.deepEqual((await told(sleeper, 'released')).values, ['false']);
  tell(heir, { kind: 'release' });
  assert.deepEqual((await told(heir, 'released')).values, ['true']);
});
