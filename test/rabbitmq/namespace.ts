/**
 * A namespace for one test or one case, and nothing of it left on the server afterwards; and a
 * connection beside those of malote, which sees and does what an operator would.
 */
import amqp from 'amqplib';
import type { RabbitmqOptions } from 'malote/rabbitmq';
import type { EngineUnderTest } from 'malote/testing';
import { afterAll, beforeAll } from 'vitest';
import { engineOf } from '../../src/transports/rabbitmq/engine.ts';
import { namesOf, subscriptionNames } from '../../src/transports/rabbitmq/names.ts';
import * as settings from '../../src/transports/rabbitmq/settings.ts';
import { deleteNamespace } from '../../src/transports/rabbitmq/topology.ts';

let made = 0;

export interface Namespaces {
  /** From the first test to the last. */
  readonly model: amqp.ChannelModel;
  /** That of the engine made last. */
  readonly namespace: string;
  /** How many messages stand in these queues of it, and are with nobody. */
  ready(...queues: readonly string[]): Promise<number>;
  /** An engine in a namespace of its own. Processes after the first one have the limits `later`. */
  engine(
    options?: RabbitmqOptions,
    limits?: Partial<settings.Limits>,
    later?: Partial<settings.Limits>,
  ): EngineUnderTest & { readonly namespace: string };
}

/** To be called where tests are defined: it opens and closes with them. */
export function namespaces(server: () => { readonly url: string }): Namespaces {
  let model: amqp.ChannelModel | null = null;
  let namespace = '';
  beforeAll(async () => {
    model = await amqp.connect(server().url);
    // Some servers are ended in the middle.
    model.on('error', () => undefined);
  });
  afterAll(async () => {
    await model?.close().catch(() => undefined);
  });
  return {
    get model() {
      return model!;
    },
    get namespace() {
      return namespace;
    },
    async ready(...queues) {
      const channel = await model!.createChannel();
      let count = 0;
      for (const queue of queues) {
        count += (await channel.checkQueue(`${namespace}.${queue}`)).messageCount;
      }
      await channel.close();
      return count;
    },
    engine(options = {}, limits = {}, later = limits) {
      const own = `t${(made += 1)}`;
      let processes = 0;
      namespace = own;
      return {
        namespace: own,
        make() {
          const given = settings.resolve(server().url, {
            partitions: 2,
            ...options,
            namespace: own,
          });
          processes += 1;
          const narrowed = processes === 1 ? limits : later;
          return engineOf({ ...given, limits: { ...settings.usualLimits, ...narrowed } });
        },
        async remove() {
          const { steps } = { ...settings.usualLimits, ...limits };
          if (model !== null) await remove(model, { namespace: own, steps });
        },
      };
    },
  };
}

async function remove(
  model: amqp.ChannelModel,
  { namespace, steps }: Pick<settings.Limits, 'steps'> & { readonly namespace: string },
): Promise<void> {
  const names = namesOf(namespace);
  const known = await namesKnown(model, names.registry);
  const subscriptions = [...known].map(([name, partitions]) =>
    subscriptionNames(names, name, partitions),
  );
  await deleteNamespace(model, names, { subscriptions, steps });
}

/** Every subscription that the registry ever knew, with its partitions. */
async function namesKnown(
  model: amqp.ChannelModel,
  registry: string,
): Promise<ReadonlyMap<string, number>> {
  const known = new Map<string, number>();
  const channel = await model.createConfirmChannel();
  await channel.assertQueue(registry, { durable: true, arguments: { 'x-queue-type': 'stream' } });
  channel.sendToQueue(registry, Buffer.from(''), { messageId: 'the end' });
  await channel.prefetch(1_000);
  await new Promise<void>((resolve, reject) => {
    channel
      .consume(
        registry,
        (message) => {
          if (message === null) return;
          channel.ack(message);
          if (message.properties.messageId === 'the end') resolve();
          if (message.content.length === 0) return;
          const { name, partitions } = JSON.parse(message.content.toString()) as {
            name: string;
            partitions: number;
          };
          known.set(name, partitions);
        },
        { arguments: { 'x-stream-offset': 'first' } },
      )
      .catch(reject);
  });
  await channel.close();
  return known;
}
