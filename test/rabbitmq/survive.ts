/**
 * One campaign of `test/crash` over a RabbitMQ server: every process reaches it through a proxy of
 * its own, which can cut its connections.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Arena, rabbitmqAt } from '../crash/arena.ts';
import { runCampaign, serverSlot, type World } from '../crash/campaign.ts';
import { handling, staging } from '../crash/load.ts';
import { type Fault, printSchedule } from '../crash/nemesis.ts';
import { examine, summary } from '../crash/verdict.ts';
import { type Proxy, startProxy } from '../support/proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { through } from './behind.ts';
import type { Server } from './server.ts';

export const slots: readonly string[] = ['publisher-1', 'publisher-2', 'worker-1', 'worker-2'];
const folder = temporaryFolder();

/** One campaign over a server. */
export async function survive(
  server: Server,
  namespace: string,
  schedule: readonly Fault[],
): Promise<object> {
  const proxies = new Map<string, Proxy>();
  for (const slot of slots) proxies.set(slot, await startProxy(server.port));
  try {
    const world = worldOf(server, namespace, proxies);
    return await surviveIn(world, rabbitmqAt(server.url, namespace), { namespace, schedule });
  } finally {
    for (const proxy of proxies.values()) await proxy.close();
  }
}

/** Runs one campaign and prints its figures; answers everything that should not be. */
export async function surviveIn(
  world: World,
  arena: Arena,
  { namespace, schedule }: { readonly namespace: string; readonly schedule: readonly Fault[] },
): Promise<object> {
  console.log(`${namespace}: ${printSchedule(schedule)}`);
  const own = join(folder, namespace);
  mkdirSync(own);
  const seed = schedule.length;
  const outcome = await runCampaign({ seed, folder: own, arena, world, slots, schedule });
  const { record, left, dead, complaints, drainedMs } = outcome;
  const verdict = examine(record, { ...handling, ...arena, staging });
  console.log(`${namespace}: ${summary(record, verdict)}, drained in ${drainedMs} ms`);
  assert.ok(verdict.accepted > 300, 'too little was published to mean anything');
  return { findings: verdict.findings, left, dead, complaints };
}

function worldOf(server: Server, namespace: string, proxies: ReadonlyMap<string, Proxy>): World {
  return {
    engineFor(slot) {
      const url = through(server, proxies.get(slot)!);
      return rabbitmqAt(url, namespace).engine;
    },
    async strike({ slot, kind, forMs }) {
      if (slot === serverSlot) {
        await server.kill();
        await pause(forMs);
        await server.restart();
      } else if (kind === 'mute') await proxies.get(slot)!.mute();
      else proxies.get(slot)!.cut();
    },
  };
}
