/**
 * Delays that pass in queues of the server, by its own time to live: the steps are short here, and
 * nothing is moved by hand.
 */
import assert from 'node:assert/strict';
import { type Bus, createBus, message } from 'malote';
import { onTestFinished, test } from 'vitest';
import { listenTo } from '../support/transitions.ts';
import { namespaces } from './namespace.ts';
import { overRabbitmq } from './over-rabbitmq.ts';
import { outside } from './outside.ts';

const timeout = 60_000;
const tenMinutes = 600_000;
const hour = 3_600_000;
const limits = {
  longestHeldMs: 150,
  steps: [
    { ms: 200, name: '200ms' },
    { ms: 1_000, name: '1s' },
    { ms: tenMinutes, name: '10min' },
    { ms: hour, name: '1h' },
  ],
};

interface Reminder {
  readonly name: string;
  readonly dueAt: number;
}
const keyed = message<Reminder>('reminder.keyed', { orderBy: ({ name }) => name });
const loose = message<Reminder>('reminder.loose');

overRabbitmq((server) => {
  const all = namespaces(server);

  interface Scene {
    readonly namespace: string;
    readonly bus: Bus;
    /** What was handled, in that order, and how late; milliseconds. */
    readonly handled: { readonly name: string; readonly lateMs: number }[];
    remind(name: string, delay: number): Promise<void>;
    /** How many stand in the queue of a step. */
    passing(step: string): Promise<number>;
  }

  async function open(name: string): Promise<Scene> {
    const subject = all.engine({}, limits);
    const bus = createBus({ engine: subject.make(), name, logger: false, handleSignals: false });
    const handled: { name: string; lateMs: number }[] = [];
    bus.consume([keyed, loose], { name: 'reminders', order: 'key' }, ({ data }) => {
      handled.push({ name: data.name, lateMs: Date.now() - data.dueAt });
    });
    await bus.start();
    onTestFinished(async () => {
      await bus.stop();
      await subject.remove?.();
    });
    const { namespace } = subject;
    return {
      namespace,
      bus,
      handled,
      async remind(who, delay) {
        const data = { name: who, dueAt: Date.now() + delay };
        await bus.publish(who.startsWith('keyed') ? keyed : loose, data, { delay });
      },
      async passing(step) {
        const channel = await all.model.createChannel();
        const { messageCount } = await channel.checkQueue(`${namespace}.later.${step}`);
        await channel.close();
        return messageCount;
      },
    };
  }

  test('those of an hour and of ten minutes hold up no shorter one, and none comes early', {
    timeout,
  }, async () => {
    const told = listenTo('reminding');
    const { handled, remind, passing } = await open('reminding');
    for (const long of [hour, tenMinutes]) {
      await remind(`keyed ${long}`, long + 5);
      await remind(`loose ${long}`, long + 5);
    }
    // From the longest to the shortest, over one step, two, and one after the other.
    const delays = [2_450, 1_900, 1_450, 900, 450];
    for (const delay of delays) {
      await remind(`keyed ${delay}`, delay);
      await remind(`loose ${delay}`, delay + 100);
    }

    await told.count('acked', 2 * delays.length);

    const shown = handled.map(({ name, lateMs }) => `${name} ${lateMs}`);
    console.log(`handled, with milliseconds after their time: ${shown.join(', ')}`);
    // Different keys have no promised order, so this is a set. What was published first stands yet.
    assert.deepEqual(
      new Set(handled.map(({ name }) => name)),
      new Set(delays.flatMap((delay) => [`keyed ${delay}`, `loose ${delay}`])),
    );
    assert.deepEqual(
      handled.filter(({ lateMs }) => lateMs < 0),
      [],
    );
    const standing = [await passing('1h'), await passing('10min'), await passing('1s')];
    assert.deepEqual(standing, [2, 2, 0]);
  });

  test('a program without malote may be the first that asks for a long delay', {
    timeout,
  }, async () => {
    const told = listenTo('asked from outside');
    const { namespace, handled } = await open('asked from outside');
    const them = await outside(server().url, namespace);
    const dueAt = Date.now() + 700;
    await them.publish(
      'reminder.loose',
      { name: 'theirs', dueAt },
      { headers: { 'cloudEvents:malotedue': dueAt } },
    );

    await told.count('acked', 1);

    assert.deepEqual([handled[0]?.name, handled[0]!.lateMs >= 0], ['theirs', true]);
    await them.close();
  });
});

overRabbitmq((server) => {
  const all = namespaces(server);

  test('what passes its time on the server outlives the death of that', { timeout }, async () => {
    const told = listenTo('outliving');
    const own = { name: 'outliving', logger: false, handleSignals: false } as const;
    const bus = createBus({ engine: all.engine({}, limits).make(), ...own });
    const handled: string[] = [];
    bus.consume([keyed, loose], { name: 'reminders', order: 'key' }, ({ data }) => {
      handled.push(data.name);
      assert.ok(Date.now() >= data.dueAt, `${data.name} came before its time`);
    });
    await bus.start();
    const remind = async (delay: number): Promise<void> => {
      const dueAt = Date.now() + delay;
      await bus.publish(keyed, { name: `keyed ${delay}`, dueAt }, { delay });
      await bus.publish(loose, { name: `loose ${delay}`, dueAt }, { delay });
    };
    // A server that dies within two seconds may forget the queues that it has just made.
    await remind(2_500);
    await told.count('acked', 2);
    handled.length = 0;
    // It is away for longer than some of them are delayed.
    const delays = [1_300, 2_100, 3_400, 12_000];
    for (const delay of delays) await remind(delay);

    await server().restart();
    await told.count('acked', 2 + 2 * delays.length);

    const names = delays.flatMap((delay) => [`keyed ${delay}`, `loose ${delay}`]);
    assert.deepEqual(new Set(handled), new Set(names));
    await bus.stop();
  });
});
