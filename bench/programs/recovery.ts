/**
 * A server that dies and comes back: how long after its return the first message is handled, and
 * all that was accepted or sent before it. What is not confirmed is published again under its id.
 */

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBus, message, type Bus } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import type { Server } from '../../test/rabbitmq/server.ts';
import { createLoad, type Load, type Order } from '../load.ts';
import type { Answer, FlowSettings, Spec } from '../scenario.ts';
import { withServer } from './broker.ts';
import { median } from './measure.ts';
import { until } from './publishing.ts';

type RecoverySpec = Extract<Spec, { readonly program: 'recovery' }>;

const publishers = 50;
const pauseMs = 10;
const steadyMs = 1_000;
const lookMs = 2;
const concurrency = 100;

export async function recovery({ settings, deaths, awayMs }: RecoverySpec): Promise<Answer> {
  const { keys, backlog } = settings;
  const load = createLoad({ producer: 0, keys, backlog });
  return await withServer(async (server) => {
    const bus = await openBus(server.url, settings, (order) => load.see(order));
    const publishing = Array.from({ length: publishers }, () => keepPublishing(bus, load, keys));
    const firsts: number[] = [];
    const alls: number[] = [];
    for (let death = 0; death < deaths; death++) {
      await sleep(steadyMs);
      const { firstMs, allMs } = await die(server, load, awayMs);
      firsts.push(firstMs);
      alls.push(allMs);
    }
    load.close();
    await Promise.all(publishing);
    await allSeen(load);
    await bus.stop();
    const metrics = { allMs: median(alls), worstMs: Math.max(...alls), firstMs: median(firsts) };
    return { metrics };
  });
}

interface Times {
  readonly firstMs: number;
  readonly allMs: number;
}

async function die(server: Server, load: Load, awayMs: number): Promise<Times> {
  await server.kill();
  const { handled: handledBefore } = load;
  await sleep(awayMs);
  const returning = server.restart();
  await listening(server.port);
  const returnedAt = performance.now();
  const { issued } = load;
  const since = async (isThere: () => boolean): Promise<number> => {
    while (!isThere()) await sleep(lookMs);
    return performance.now() - returnedAt;
  };
  const firstMs = await since(() => load.handled > handledBefore);
  const allMs = await since(() => firstUnseen(load) >= issued);
  await returning;
  return { firstMs, allMs };
}

/** Resolves when the server takes connections. */
async function listening(port: number): Promise<void> {
  const isThere = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      const answer = (is: boolean): void => {
        socket.destroy();
        resolve(is);
      };
      socket.once('connect', () => answer(true)).once('error', () => answer(false));
    });
  while (!(await isThere())) await sleep(lookMs);
}

/** Messages are issued in the order of their numbers; before this one all were handled. */
function firstUnseen({ marks: [marks], issued }: Load): number {
  const first = marks!.indexOf(0);
  return first === -1 ? issued : first;
}

const name = 'bench';

async function openBus(
  url: string,
  { keys }: FlowSettings,
  handle: (order: Order) => void,
): Promise<Bus> {
  const bus = createBus({ engine: rabbitmq(url), handleSignals: false, logger: false });
  const Placed = typeOf(keys);
  await bus.subscribe(name, Placed);
  bus.consume(Placed, { name, concurrency }, async ({ data }) => handle(data));
  await bus.start();
  return bus;
}

function typeOf(keys: number): ReturnType<typeof message<Order>> {
  return message<Order>('order.placed', keys > 0 ? { orderBy: ({ key }) => key } : {});
}

async function keepPublishing(bus: Bus, load: Load, keys: number): Promise<void> {
  const Placed = typeOf(keys);
  while (!load.isClosed) {
    const order = load.next();
    const id = String(order.n);
    let isStored = false;
    while (!isStored) {
      isStored = await bus.publish(Placed, order, { id }).then(
        () => true,
        () => sleep(pauseMs, false),
      );
    }
    await sleep(pauseMs);
  }
}

/** What was out when the server died may be handled twice; nothing may be missing. */
async function allSeen(load: Load): Promise<void> {
  assert.ok(load.issued > 0, 'no message was published');
  await until(
    () => firstUnseen(load) >= load.issued,
    () => load.handled,
    () => `${load.issued} messages were published; one of them was not handled`,
  );
}
