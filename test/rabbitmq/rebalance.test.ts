/**
 * Processes that join and leave a RabbitMQ server under load: after every change each has its share
 * of the partitions, as the views say, and no key is out of order, as the histories say.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Bus, createBus } from 'malote';
import { test } from 'vitest';
import { type Arena, engineAt, rabbitmqAt } from '../crash/arena.ts';
import { drain, end, registerSubscriptions } from '../crash/campaign.ts';
import { recordOf } from '../crash/campaign-record.ts';
import type { CampaignSetup } from '../crash/child.ts';
import { type Child, createFleet, type Fleet } from '../crash/fleet.ts';
import { now, openHistory, readHistories } from '../crash/history.ts';
import { handling, staging, subscriptions } from '../crash/load.ts';
import { examine, summary } from '../crash/verdict.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const partitions = 8;
const pollMs = 50;
const timeout = 300_000;

interface Scene {
  readonly bus: Bus;
  readonly fleet: Fleet;
  readonly arena: Arena;
  readonly histories: string;
  readonly workers: Map<string, Child>;
  made: number;
}

overRabbitmq(
  (server) => {
    test('eight processes join and leave: each has its share, no key is out of order', {
      timeout,
    }, async () => {
      const at = rabbitmqAt(server().url, 'rebalance', { partitions, heartbeat: '60s' });
      // Kills end connections at once, and nothing else may: neither a crowded machine, nor malote.
      const arena: Arena = { ...at, leaseMs: 60_000, passing: [] };
      const histories = join(temporaryFolder(), 'histories');
      mkdirSync(histories);
      const bus = createBus({ engine: engineAt(arena.engine), logger: false });
      const fleet = createFleet();
      const scene: Scene = { bus, fleet, arena, histories, workers: new Map(), made: 0 };
      try {
        await registerSubscriptions(bus);
        const publisher = start(scene, 'publisher');
        await publisher.noticesOf('up', 1);
        await act(scene);
        await end(new Map([[publisher.name, publisher]]), 'publisher');
        const { left, dead } = await drain(bus, histories);
        await end(scene.workers, 'worker');
        const record = recordOf(readHistories(histories), subscriptions);
        const verdict = examine(record, { ...handling, ...arena, staging });
        console.log(summary(record, verdict));

        assert.ok(verdict.accepted > 100, 'too little was published to mean anything');
        const complaints = fleet.complaints();
        const unharmed = { findings: {}, left: 0, dead: 0, complaints: [] };
        assert.deepEqual({ findings: verdict.findings, left, dead, complaints }, unharmed);
      } finally {
        await fleet.end();
        await bus.stop();
      }
    });
  },
  { settings: ['vm_memory_high_watermark.absolute = 2GB'] },
);

/** Eight come, half of them leave, two of the rest are killed, and all are replaced. */
async function act(scene: Scene): Promise<void> {
  await come(scene, 2);
  await come(scene, 6);
  await go(scene, 4);
  await kill(scene, 2);
  await come(scene, 6);
}

function start({ fleet, arena, histories, workers, made }: Scene, kind: string): Child {
  const name = kind === 'worker' ? `worker-${made}.1` : 'publisher-1.1';
  const { engine, leaseMs } = arena;
  const setup: CampaignSetup = { name, seed: 7_000 + made, engine, leaseMs, histories };
  const child = fleet.start(`child-${kind}.ts`, name, setup);
  if (kind === 'worker') workers.set(name, child);
  return child;
}

async function come(scene: Scene, count: number): Promise<void> {
  const coming = Array.from({ length: count }, () => {
    scene.made += 1;
    return start(scene, 'worker');
  });
  await Promise.all(coming.map((child) => child.noticesOf('up', 1)));
  await shared(scene, `${count} came`);
}

async function go(scene: Scene, count: number): Promise<void> {
  const going = new Map([...scene.workers].slice(0, count));
  for (const name of going.keys()) scene.workers.delete(name);
  await Promise.all([end(going, 'worker'), shared(scene, `${count} left`)]);
}

async function kill(scene: Scene, count: number): Promise<void> {
  const write = openHistory(scene.histories, `supervisor-${scene.made}`);
  for (const [name, child] of [...scene.workers].slice(0, count)) {
    scene.workers.delete(name);
    write({ f: 'kill', at: now(), process: name });
    child.signal('SIGKILL');
    await child.ended;
  }
  await shared(scene, `${count} were killed`);
}

/** Resolves once every worker has its share of every subscription, and prints how long it took. */
async function shared({ bus, workers }: Scene, what: string): Promise<void> {
  const since = now();
  const pids = [...workers.values()].map(({ process }) => process.pid!);
  for (;;) {
    const views = await bus.subscriptions.list();
    if (views.every((view) => isShared(view.partitions!, pids))) break;
    await pause(pollMs);
  }
  const tookMs = Math.round((now() - since) / 1_000);
  console.log(`${what}, ${pids.length} are there: shared after ${tookMs} ms`);
}

type Partitions = NonNullable<Awaited<ReturnType<Bus['subscriptions']['list']>>[0]['partitions']>;

function isShared(owned: Partitions, pids: readonly number[]): boolean {
  const counts = new Map(pids.map((pid) => [pid, 0]));
  for (const { owner } of owned) {
    const pid = Number(owner?.split('/')[1]);
    if (!counts.has(pid)) return false;
    counts.set(pid, counts.get(pid)! + 1);
  }
  const most = Math.ceil(partitions / pids.length);
  return [...counts.values()].every((count) => count <= most);
}
