/** A program that knows AMQP and nothing of malote, but for two names and the spelling of a key. */
import amqp from 'amqplib';

export interface Outside {
  /** Resolves when it is confirmed; rejects, and begins anew, where the server ends it all. */
  publish(type: string, data: unknown, properties?: amqp.Options.Publish): Promise<void>;
  publishText(type: string, body: string, properties?: amqp.Options.Publish): Promise<void>;
  /** Does not wait for the confirmation. */
  publishSoon(type: string, data: unknown, properties?: amqp.Options.Publish): Promise<void>;
  confirmed(): Promise<void>;
  fulfil(fact: string): Promise<void>;
  /**
   * Binds a queue of its own to all messages of a type, whoever publishes them; answers the first
   * so many of them.
   */
  read(
    type: string,
    partitions: number,
  ): Promise<(count: number) => Promise<readonly amqp.ConsumeMessage[]>>;
  /**
   * Resolves when the server has taken back all of that many from a dead reader; answers how many
   * stand in partitions as well.
   */
  returned(
    subscription: string,
    expected: { readonly partitions: number; readonly count: number },
  ): Promise<number>;
  close(): Promise<void>;
}

export async function outside(url: string, namespace: string): Promise<Outside> {
  let link = await linkTo(url);
  const { channel } = link;
  const put = (type: string, body: string, properties: amqp.Options.Publish = {}): void => {
    link.channel.publish(`${namespace}.in`, type, Buffer.from(body), {
      persistent: true,
      ...properties,
    });
  };
  const confirmed = async (): Promise<void> => {
    try {
      await Promise.race([link.channel.waitForConfirms(), link.lost]);
    } catch (error) {
      link = await linkTo(url);
      throw error;
    }
  };
  return {
    async publish(type, data, properties) {
      put(type, JSON.stringify(data), properties);
      await confirmed();
    },
    async publishText(type, body, properties) {
      put(type, body, properties);
      await confirmed();
    },
    publishSoon: async (type, data, properties) => put(type, JSON.stringify(data), properties),
    confirmed,
    async fulfil(fact) {
      const body = JSON.stringify([{ fact, state: 'fulfilled' }]);
      channel.publish('', `${namespace}.facts`, Buffer.from(body), { persistent: true });
      await channel.waitForConfirms();
    },
    async read(type, partitions) {
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.bindQueue(queue, `${namespace}.in`, type);
      const places = Array.from({ length: partitions }, (_, index) => [`${index}`, `@${index}`]);
      for (const place of ['-', ...places.flat()]) {
        await channel.bindQueue(queue, `${namespace}.x`, `${type}|${partitions}|${place}`);
      }
      const read: amqp.ConsumeMessage[] = [];
      let came: () => void = () => undefined;
      await channel.consume(queue, (one) => {
        if (one === null) return;
        read.push(one);
        channel.ack(one);
        came();
      });
      return async (count) => {
        while (read.length < count) await new Promise<void>((resolve) => (came = resolve));
        return read.slice(0, count);
      };
    },
    async returned(subscription, { partitions, count }) {
      const first = `${namespace}.q.${subscription}`;
      const mains = Array.from({ length: partitions }, (_, index) => `${first}/p${index}`);
      const ready = async (queue: string): Promise<number> =>
        (await channel.checkQueue(queue)).messageCount;
      for (;;) {
        let main = 0;
        for (const queue of mains) main += await ready(queue);
        if ((await ready(`${first}/in`)) === count && main > 0) return main;
      }
    },
    close: () => link.model.close(),
  };
}

interface Link {
  readonly model: amqp.ChannelModel;
  readonly channel: amqp.ConfirmChannel;
  /** Rejects when the server ends the connection. */
  readonly lost: Promise<never>;
}

async function linkTo(url: string): Promise<Link> {
  const model = await amqp.connect(url);
  const lost = new Promise<never>((_, reject) => void model.on('error', reject));
  lost.catch(() => undefined);
  return { model, channel: await model.createConfirmChannel(), lost };
}
