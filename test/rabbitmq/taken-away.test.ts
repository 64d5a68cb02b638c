/** What is left of a namespace, and that the program on the page leaves nothing of it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createBus, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { test } from 'vitest';
import { node } from '../support/command.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const page = readFileSync('docs/transports/rabbitmq.md', 'utf8');
/** The server's own tool starts a whole machine each time. */
const timeout = 120_000;
const Thing = message<string>('thing', { orderBy: (thing) => thing });

overRabbitmq((server) => {
  test('its page names what is left of a namespace, and removes it', { timeout }, async () => {
    const options = {
      engine: rabbitmq(server().url),
      logger: false,
      handleSignals: false,
    } as const;
    const bus = createBus(options);
    bus.consume(Thing, { name: 'ledger' }, () => undefined);
    await bus.start();
    await bus.publish(Thing, '1', { delay: '2h' });
    await bus.stop();
    const other = createBus(options);
    await other.unsubscribe('ledger');
    await other.stop();

    const later = ['10s', '1m', '10m', '1h', '6h', '1d'].map((step) => `later.${step}`);
    assert.deepEqual(
      await left('queues'),
      named('facts registry ledgers kept in.kept in.told', later),
    );
    assert.deepEqual(await left('exchanges'), named('x in hello kept in.kept', later));

    const section = page.slice(page.indexOf('## Taking a namespace away'));
    const [, program = ''] = /```js\n(.*?)```/s.exec(section) ?? [];
    const { status, output } = await node([
      '--input-type=module',
      '--eval',
      program.replace('amqp://localhost', server().url),
    ]);

    assert.equal(status, 0, output);
    assert.deepEqual([await left('queues'), await left('exchanges')], [[], []]);
  });

  async function left(what: 'queues' | 'exchanges'): Promise<string[]> {
    const names = await server().ctl('-q', `list_${what}`, '--no-table-headers', 'name');
    return names
      .split('\n')
      .filter((name) => name.startsWith('malote.'))
      .toSorted();
  }
});

function named(words: string, later: readonly string[]): string[] {
  return [...words.split(' '), ...later].map((name) => `malote.${name}`).toSorted();
}
