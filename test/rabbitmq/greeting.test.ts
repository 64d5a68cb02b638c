/** What a bus does with a server that cannot keep the promises, whatever else it answers. */
import assert from 'node:assert/strict';
import { createBus, message } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { onTestFinished, test } from 'vitest';
import { type Greeting, startGreeter } from './greeter.ts';

const Noted = message<{ text: string }>('noted');

/** What `start()` and a publish are refused with. */
async function refusals(greeting: Greeting): Promise<string[]> {
  const server = await startGreeter(greeting);
  onTestFinished(server.close);
  const said: string[] = [];
  const hear = (error: { readonly code?: unknown; readonly message?: unknown }): void =>
    void said.push(`${String(error.code)}: ${String(error.message)}`);
  for (const begin of ['start', 'publish']) {
    const bus = createBus({ engine: rabbitmq(server.url), logger: false, handleSignals: false });
    bus.consume(Noted, { name: 'notes' }, () => undefined);
    const begun = begin === 'start' ? bus.start() : bus.publish(Noted, { text: '' });
    await begun.then(() => assert.fail('it began'), hear);
    await bus.stop();
  }
  assert.equal(server.opened, 2, 'another connection was opened');
  return said;
}

test('a server that is too old is refused before anything is declared', async () => {
  const said = await refusals({ version: '3.9.29' });
  for (const one of said) {
    assert.match(one, /^ENGINE_VERSION: .*127\.0\.0\.1.*RabbitMQ 3\.9\.29 is older than 3\.10/);
    assert.doesNotMatch(one, /guest:guest/);
  }
});

test('a server whose frames are too short for what travels beside a body is refused', async () => {
  const said = await refusals({ version: '3.13.7', frameMax: 8_192 });
  for (const one of said) assert.match(one, /^ENGINE_VERSION: .*frame_max is 8192 bytes/);
});

test('a server that allows too few channels for what is published is refused', async () => {
  const said = await refusals({ version: '3.13.7', channelMax: 8 });
  for (const one of said) assert.match(one, /^ENGINE_VERSION: .*channel_max is 8, .*raise it/);
});
