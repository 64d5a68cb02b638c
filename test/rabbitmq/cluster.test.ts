/**
 * A cluster of three servers under load: one after the other is killed, the one on which ledgers
 * stand among them, and then two at once, so that the third takes nothing until one is back.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createBus, dependency, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { engineOf } from '../../src/transports/rabbitmq/engine.ts';
import { resolve, usualLimits } from '../../src/transports/rabbitmq/settings.ts';
import { rabbitmqAt } from '../crash/arena.ts';
import { serverSlot, type World } from '../crash/campaign.ts';
import { type Fault, type Nemesis, scheduleOf } from '../crash/nemesis.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { isInstalled, type Server } from './server.ts';
import { slots, surviveIn } from './survive.ts';

const door = dependency('door');
const Waiting = message<{ door: string }>('waiting', { waitFor: (data) => [door(data.door)] });
const folder = temporaryFolder();
const timeout = 300_000;
const unharmed = { findings: {}, left: 0, dead: 0, complaints: [] };
/** Replicas come back into step: nobody takes away the next server before. */
const inSyncMs = 3_000;
const calm: Nemesis = { slots, faults: 0, pauses: 0 };

describe.runIf(isInstalled())('over a cluster of RabbitMQ servers', () => {
  let cluster: Cluster;
  beforeAll(async () => void (cluster = await startCluster(3)), 120_000);
  afterAll(() => cluster.stop());

  function campaign(name: string, schedule: readonly Fault[], away: number): Promise<object> {
    const { servers } = cluster;
    const store = join(folder, `${name}.db`);
    const arena = rabbitmqAt(servers.map(({ url }) => url).join(','), name, { store });
    return surviveIn(worldOf(servers, arena.engine, away), arena, { namespace: name, schedule });
  }

  test('each server dies once: nothing is lost, out of order or stuck', { timeout }, async () => {
    const kills = scheduleOf(501, { ...calm, faults: 3 });
    const schedule = kills.flatMap((fault) => [fault, { ...serverDeath, forMs: 2_000 }]);
    assert.deepEqual(await campaign('one-by-one', schedule, 1), unharmed);
  });

  test('without a majority for a while: nothing is lost either', { timeout }, async () => {
    const schedule = [{ ...serverDeath, forMs: 3_000 }];
    assert.deepEqual(await campaign('majority', schedule, 2), unharmed);
  });

  test('a stream that falls silent is noticed, and read anew', { timeout }, async () => {
    const namespace = 'silent';
    const [first, , last] = cluster.servers as readonly [Server, Server, Server];
    // Its leader is where it was made.
    const opener = createBus({ engine: rabbitmq(first.url, { namespace }), logger: false });
    await opener.subscribe('reader', Waiting);
    const settings = resolve(last.url, { namespace });
    const limits = { ...usualLimits, silentMs: 500 };
    const bus = createBus({
      name: namespace,
      engine: engineOf({ ...settings, limits }),
      logger: false,
    });
    const heard = listenTo(namespace);
    bus.consume(Waiting, { name: 'reader' }, () => undefined);
    await bus.start();
    await bus.publish(Waiting, { door: 'one' });
    await heard.count('waiting', 1);

    await last.ctl('eval', replica(`${namespace}.facts`, 'suspend'));
    await opener.fulfil(door('one'));
    const [trouble] = await heard.count('engine-trouble', 1);
    assert.match(JSON.stringify(trouble), /silent\.facts.*said nothing for 500 ms/);
    await last.ctl('eval', replica(`${namespace}.facts`, 'resume'));

    await heard.count('acked', 1);
    await bus.stop();
    await opener.stop();
  });
});

/** What stands still reads nothing of what the leader of its stream and a majority have stored. */
function replica(stream: string, what: 'suspend' | 'resume'): string {
  return (
    `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${stream}">>)), ` +
    '#{name := Name} = amqqueue:get_type_state(Q), ' +
    `{ok, Pid} = rabbit_stream_coordinator:local_pid(Name), sys:${what}(Pid).`
  );
}

const serverDeath: Fault = {
  slot: serverSlot,
  isEarly: false,
  afterMs: 500,
  forMs: 0,
  kind: 'kill',
};

/** So many servers at once, those that were killed last not again as long as there are others. */
function worldOf(servers: readonly Server[], engine: string, away: number): World {
  let next = 0;
  return {
    engineFor: () => engine,
    async strike({ forMs }) {
      const victims = Array.from({ length: away }, () => servers[next++ % servers.length]!);
      await Promise.all(victims.map((server) => server.kill()));
      await pause(forMs);
      await Promise.all(victims.map((server) => server.restart()));
      await pause(inSyncMs);
    },
  };
}
