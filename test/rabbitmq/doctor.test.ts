/**
 * What `malote doctor` sees of a RabbitMQ server, and what an engine that cannot be used is refused
 * with, over a real server: a name and a cure for each.
 */
import assert from 'node:assert/strict';
import amqp from 'amqplib';
import { createBus, type MaloteError, message } from 'malote';
import { rabbitmq, type RabbitmqOptions } from 'malote/rabbitmq';
import { test } from 'vitest';
import { judge } from '../../src/transports/rabbitmq/greeting.ts';
import { listenTo } from '../support/transitions.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { malote, projectIn, exporting } from '../cli/project.ts';
import { overRabbitmq } from './over-rabbitmq.ts';
import { outside } from './outside.ts';

const timeout = 60_000;
const Noted = message<{ text: string }>('noted');
const folder = temporaryFolder();

test('an old server, another product and one that confirms nothing are refused', () => {
  const sound = { product: 'RabbitMQ', capabilities: { publisher_confirms: true } };
  const levels = (properties: object): string[] =>
    judge({ ...sound, ...properties }).map(({ level, sentence }) => `${level}: ${sentence}`);

  assert.deepEqual(levels({ version: '3.13.7' }), []);
  assert.match(
    levels({ version: '3.9.29' }).join(),
    /^refused: RabbitMQ 3\.9\.29 is older than 3\.10/,
  );
  assert.match(levels({ version: '4.1.0' }).join(), /^warning: .*4\.1\.0$/);
  assert.match(levels({ version: '3.12.0', capabilities: {} }).join(), /^refused: .*not confirm/);
  assert.match(levels({ product: 'LavinMQ', version: '2.0' }).join(), /^refused: LavinMQ is not/);
});

overRabbitmq(
  (server) => {
    test('who does not answer is passed over, and the doctor says so', { timeout }, async () => {
      const away = 'amqp://guest:guest@127.0.0.1:1';
      for (const urls of [
        [away, server().url],
        [server().url, away],
      ]) {
        const engine = rabbitmq(urls, { namespace: 'passed-over' });
        const found = await engine.examine();
        assert.match(found.map(({ sentence }) => sentence).join('\n'), /127\.0\.0\.1:1 does not/);
        const bus = createBus({ engine, logger: false });
        await bus.publish(Noted, { text: 'arrived' });
        await bus.stop();
      }
      const nobody = rabbitmq([away, 'amqp://guest:guest@127.0.0.1:2']);
      await assert.rejects(async () => await nobody.examine(), { code: 'ENGINE_UNREACHABLE' });
      const bus = createBus({ engine: nobody, logger: false });
      await assert.rejects(bus.publish(Noted, { text: 'lost' }), {
        code: 'ENGINE_UNREACHABLE',
        message: /none of amqp:.*127\.0\.0\.1:1, amqp:.*127\.0\.0\.1:2 answers/,
      });
      await bus.stop();
    });

    async function refusal(url: string, options: RabbitmqOptions): Promise<string> {
      const bus = createBus({ engine: rabbitmq(url, options), logger: false });
      try {
        await bus.publish(Noted, { text: 'x'.repeat(200_000) });
      } catch (error) {
        return String((error as { code?: unknown }).code) + ': ' + (error as Error).message;
      } finally {
        await bus.stop();
      }
      return 'accepted';
    }

    test('a wrong password, a missing host and other settings are named, with the cure', {
      timeout,
    }, async () => {
      const { url } = server();
      const open = rabbitmq(url, { namespace: 'sound' });
      const bus = createBus({ engine: open, logger: false });
      await bus.publish(Noted, { text: '' });
      await bus.stop();

      const wrong = url.replace('guest:guest', 'guest:wrong');
      assert.match(await refusal(wrong, {}), /^ENGINE_DENIED: .*check both/);
      assert.match(await refusal(`${url}/nowhere`, {}), /^ENGINE_DENIED: .*add_vhost/);
      const other = { namespace: 'sound', queues: 'classic' } as const;
      assert.match(await refusal(url, other), /^ENGINE_MISMATCH: .*another namespace/);
      assert.match(await refusal('amqp://127.0.0.1:1', {}), /^ENGINE_UNREACHABLE: .*port is right/);
      const large = await refusal(url, { namespace: 'sound' });
      assert.match(large, /^MESSAGE_TOO_LARGE: .*100000 bytes.*max_message_size/);
    });

    test('the doctor warns of what stands for nobody and of a server in need, and ends with 0', {
      timeout,
    }, async () => {
      const { url } = server();
      const engine = `rabbitmq('${url}', { namespace: 'doctor' })`;
      const project = projectIn(folder, 'doctor', exporting(engine));
      const first = await malote(['doctor'], { cwd: project });
      assert.equal(first.status, 0, first.stderr);
      assert.match(first.stdout, /warning: namespace "doctor" is not there yet/);
      assert.doesNotMatch(first.stdout, /kept"|takes no message/);
      await make(url, 'doctor');
      const second = await malote(['doctor'], { cwd: project });
      assert.doesNotMatch(second.stdout, /not there yet|kept"/);

      const them = await outside(url, 'doctor');
      await them.publish('nobody.asked', {});
      await them.close();
      const kept = await malote(['doctor'], { cwd: project });
      assert.match(
        kept.stdout,
        /warning: in "doctor\.in\.kept" stands 1 message of programs without malote: no/,
      );
      assert.doesNotMatch(kept.stdout, /"doctor\.kept"/);
      const told = listenTo('publisher');
      const own = rabbitmq(url, { namespace: 'doctor' });
      const bus = createBus({ engine: own, name: 'publisher', logger: false });
      await bus.publish(Noted, { text: '' });
      await bus.stop();
      const types = told.all.flatMap((event) => (event.kind === 'kept' ? [event.type] : []));
      assert.deepEqual(types, ['noted']);
      const both = await malote(['doctor'], { cwd: project });
      assert.match(both.stdout, /warning: in "doctor\.kept" stands 1 message: no/);

      await server().ctl('set_vm_memory_high_watermark', 'absolute', '1MB');
      const found = await rabbitmq(url, { namespace: 'doctor' }).examine();
      await server().ctl('set_vm_memory_high_watermark', 'absolute', '512MB');
      assert.ok(found.some(({ sentence }) => sentence.startsWith('the server takes no message')));
    });

    test('a message that leads nowhere is refused, and not lost in silence', {
      timeout,
    }, async () => {
      const { url } = server();
      await using bus = createBus({
        engine: rabbitmq(url, { namespace: 'nowhere' }),
        logger: false,
      });
      await bus.publish(Noted, { text: 'kept' });
      const model = await amqp.connect(url);
      const channel = await model.createChannel();
      await channel.unbindQueue('nowhere.kept', 'nowhere.kept', '');

      await assert.rejects(
        bus.publish(Noted, { text: 'lost' }),
        ({ code, message: sentence }: MaloteError) => {
          assert.equal(code, 'ENGINE_FAILED');
          assert.match(sentence, /leads nowhere; nothing was stored/);
          return true;
        },
      );
      await channel.bindQueue('nowhere.kept', 'nowhere.kept', '');
      await bus.publish(Noted, { text: 'kept again' });

      assert.equal((await channel.checkQueue('nowhere.kept')).messageCount, 2);
      await model.close();
    });

    test('a queue that is there with another type ends the doctor with its code', {
      timeout,
    }, async () => {
      const { url } = server();
      await make(url, 'strange');
      const model = await amqp.connect(url);
      const channel = await model.createChannel();
      await channel.deleteQueue('strange.kept');
      await channel.assertQueue('strange.kept', { durable: true });
      await model.close();
      const engine = `rabbitmq('${url}', { namespace: 'strange' })`;
      const project = projectIn(folder, 'strange', exporting(engine));

      const { status, stderr } = await malote(['doctor'], { cwd: project });

      assert.equal(status, 5);
      assert.match(stderr, /ENGINE_MISMATCH/);
    });
  },
  { settings: ['max_message_size = 100000'] },
);

/** A namespace in which nobody has published or consumed. */
async function make(url: string, namespace: string): Promise<void> {
  const bus = createBus({ engine: rabbitmq(url, { namespace }), logger: false });
  await bus.subscriptions.list();
  await bus.stop();
}
