/** A namespace for one test or one case, and nothing of it left on the server afterwards. */
import amqp from 'amqplib';
import type { RabbitmqOptions } from 'malote/rabbitmq';
import type { EngineUnderTest } from 'malote/testing';
import { engineOf } from '../../src/transports/rabbitmq/engine.ts';
import { namesOf, subscriptionNames } from '../../src/transports/rabbitmq/names.ts';
import * as settings from '../../src/transports/rabbitmq/settings.ts';
import { deleteNamespace } from '../../src/transports/rabbitmq/topology.ts';

let made = 0;

export interface Namespaces {
  /** To be called once, when the server runs. */
  open(): Promise<void>;
  /** An engine in a namespace of its own. */
  engine(
    options?: RabbitmqOptions,
    limits?: Partial<settings.Limits>,
  ): EngineUnderTest & { readonly namespace: string };
  close(): Promise<void>;
}

export function namespaces(server: () => { readonly url: string }): Namespaces {
  let model: amqp.ChannelModel | null = null;
  return {
    async open() {
      model = await amqp.connect(server().url);
    },
    engine(options = {}, limits = {}) {
      const namespace = `t${(made += 1)}`;
      return {
        namespace,
        make() {
          const given = settings.resolve(server().url, { partitions: 2, ...options, namespace });
          return engineOf({ ...given, limits: { ...settings.usualLimits, ...limits } });
        },
        async remove() {
          if (model !== null) await remove(model, namespace);
        },
      };
    },
    async close() {
      await model?.close();
    },
  };
}

async function remove(model: amqp.ChannelModel, namespace: string): Promise<void> {
  const names = namesOf(namespace);
  const known = await namesKnown(model, names.registry);
  const subscriptions = [...known].map(([name, partitions]) =>
    subscriptionNames(names, name, partitions),
  );
  await deleteNamespace(model, names, subscriptions);
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
