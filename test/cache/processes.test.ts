/**
 * Caches and locks over real processes on one SQLite file: one load for all of them, and what a
 * killed or frozen holder costs the others.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'vitest';
import { seeds } from '../conformance/seeds.ts';
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
  return await child.notice((notice) => notice.kind === kind);
}

/** Who loaded a key, in order. */
function loads(key: string): string[] {
  const lines = readFileSync(common.loads, 'utf8').trimEnd().split('\n');
  return lines.map((line) => line.split('\t')).flatMap(([by, of]) => (of === key ? [by!] : []));
}

/** Fifty callers at once; resolves once all of them have an answer. */
async function ask(child: Child, key: string): Promise<Told> {
  tell(child, { kind: 'ask', key, callers: 50 });
  return await child.notice(({ kind, label }) => kind === 'answered' && label === key);
}

/** Who of them begins to load it first. */
async function loaderOf(key: string, ...children: readonly Child[]): Promise<Child> {
  const loading = children.map(async (child) => {
    await child.notice(({ kind, label }) => kind === 'loading' && label === key);
    return child;
  });
  return await Promise.race(loading);
}

/** Resolves when all their callers wait, and one of them loads. */
async function underWay(key: string, ...children: readonly Child[]): Promise<Child> {
  const isAsked = ({ kind, label }: Told): boolean => kind === 'asked' && label === key;
  await Promise.all(children.map((child) => child.notice(isAsked)));
  return await loaderOf(key, ...children);
}

function valuesOf(answers: readonly Told[]): string[] {
  return [...new Set(answers.flatMap(({ values = [] }) => values))];
}

test('twenty processes with fifty callers each load a key once, twice if the loader is killed', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `process ${index + 1}`);
  let children = await Promise.all(names.map((name) => enter(name)));

  for (const seed of seeds) {
    const calm = `calm ${seed}`;
    const asked = Promise.all(children.map((child) => ask(child, calm)));
    tell(await underWay(calm, ...children), { kind: 'finish', key: calm });
    const answers = await asked;
    assert.equal(loads(`calm ${seed}`).length, 1);
    assert.deepEqual(valuesOf(answers), [`by ${loads(`calm ${seed}`)[0]}`]);
    assert.equal(answers.flatMap(({ tookMs }) => tookMs).length, 20 * 50);

    const key = `killed ${seed}`;
    const all = children.map((child) => ask(child, key).catch(() => null));
    const victim = await underWay(key, ...children);
    victim.signal('SIGKILL');
    const left = children.filter((child) => child !== victim);
    tell(await loaderOf(key, ...left), { kind: 'finish', key });
    const survivors = (await Promise.all(all)).filter((answer) => answer !== null);
    assert.ok(survivors.length >= 19);
    assert.ok(loads(key).length <= 2, `loaded by ${loads(key).join(', ')}`);
    assert.deepEqual(valuesOf(survivors), [`by ${loads(key).at(-1)}`]);
    await victim.ended;
    const heir = await enter(`heir of ${victim.name}`);
    children = [...left, heir];
  }

  for (const child of children) tell(child, { kind: 'end' });
  const ends = await Promise.all(children.map(({ ended }) => ended));
  assert.deepEqual([...new Set(ends.map(({ code }) => code))], [0]);
  assert.deepEqual(fleet.complaints(), []);
}, 300_000);

test('a process killed while it loads costs one more load, long before its lease is over', async () => {
  const victim = await enter('victim');
  const heirs = await Promise.all(['heir', 'other'].map((name) => enter(name)));
  void ask(victim, 'EUR').catch(() => null);
  await loaderOf('EUR', victim);
  const asked = heirs.map((heir) => ask(heir, 'EUR'));

  const killedAt = performance.now();
  victim.signal('SIGKILL');
  const next = await loaderOf('EUR', ...heirs);
  const tookMs = performance.now() - killedAt;
  tell(next, { kind: 'finish', key: 'EUR' });
  const answers = await Promise.all(asked);

  console.log(`loading again ${Math.round(tookMs)} ms after the kill; the lease is a minute`);
  assert.ok(tookMs < boundMs, `it took ${tookMs} ms`);
  assert.equal(loads('EUR').length, 2);
  assert.equal(valuesOf(answers).length, 1);
});

test('a process killed between its load and the store of the value costs one more load', async () => {
  const victim = await enter('victim', { how: 'die' });
  const heir = await enter('heir');
  const asking = ask(victim, 'EUR').catch(() => null);
  const { signal } = await victim.ended;
  const asked = ask(heir, 'EUR');
  tell(await loaderOf('EUR', heir), { kind: 'finish', key: 'EUR' });

  assert.equal(signal, 'SIGKILL');
  assert.equal(await asking, null);
  assert.deepEqual((await asked).values, ['by heir']);
  assert.deepEqual(loads('EUR'), ['victim', 'heir']);
});

test('what a process loads that slept through its lease is refused', async () => {
  const sleeper = await enter('sleeper', { how: 'freeze', lease: 300 });
  const heir = await enter('heir');
  const late = ask(sleeper, 'EUR');
  await loaderOf('EUR', sleeper);

  const asked = ask(heir, 'EUR');
  tell(await loaderOf('EUR', heir), { kind: 'finish', key: 'EUR' });
  assert.deepEqual((await asked).values, ['by heir']);
  sleeper.signal('SIGCONT');
  await told(sleeper, 'cache-refused');

  assert.deepEqual((await late).values, ['by heir']);
  const witness = await enter('witness');
  assert.deepEqual((await ask(witness, 'EUR')).values, ['by heir']);
  assert.deepEqual(loads('EUR'), ['sleeper', 'heir']);
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
