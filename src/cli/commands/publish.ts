/** `malote publish TYPE JSON`: what an application would publish, by hand. */

import { text } from 'node:stream/consumers';
import { notFound, optionInvalid } from '../../errors.ts';
import { MaloteError, type MessageType, type PublishOptions } from '../../index.ts';
import type { Call, Command } from '../command.ts';

type Delay = NonNullable<PublishOptions['delay']>;

export const publish: Command = {
  words: ['publish'],
  about: 'publishes a message of a type that the configuration has',
  operands: [
    { name: 'TYPE', about: 'the name of a message type' },
    { name: 'JSON', about: 'its data, or - to read it from standard input' },
  ],
  options: {
    id: { value: 'ID', about: 'your own: where ids are remembered, never two messages' },
    dedupe: { value: 'KEY', about: "in place of the type's dedupe" },
    'order-key': { value: 'KEY', about: "in place of the type's orderBy" },
    delay: { value: 'DURATION', about: 'not processed before, such as 30s or 2h' },
    header: { value: 'NAME=TEXT', about: 'may be given several times', repeats: true },
  },
  examples: [
    `publish payment.requested '{"paymentId":"p-1","customerId":"5"}' --id p-1`,
    'publish payment.requested - < payment.json',
  ],
  creates: true,
  async run({ bus, config, given, output }) {
    const [name = '', json = ''] = given.operands;
    const type = typeNamed(name, config.messages ?? []);
    const data = parsed(json === '-' ? await text(process.stdin) : json);
    const published = await bus.publish(type, data, optionsOf(given));
    await output.data(published, () => [published.id]);
    if (published.duplicate) output.words('it was published before: nothing new was stored');
    return 'done';
  },
};

function typeNamed(name: string, types: readonly MessageType[]): MessageType {
  const type = types.find((one) => one.name === name);
  if (type !== undefined) return type;
  if (types.length > 0) {
    const known = types.map((one) => one.name);
    throw notFound('message type', name, known);
  }
  const cure = 'name the types in it: defineConfig({ engine, messages: [ … ] })';
  throw new MaloteError('CONFIG_INVALID', `the configuration has no messages to publish; ${cure}`);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new MaloteError('DATA_INVALID', `the data must be JSON: ${said}`, { cause: error });
  }
}

function optionsOf({ value, values }: Call['given']): PublishOptions {
  const [id, dedupe, orderKey, delay] = ['id', 'dedupe', 'order-key', 'delay'].map(value);
  const headers = values('header').map(headerOf);
  return {
    ...(id === undefined ? {} : { id }),
    ...(dedupe === undefined ? {} : { dedupe }),
    ...(orderKey === undefined ? {} : { orderKey }),
    // Checked by the bus, as from any caller without a compiler.
    ...(delay === undefined ? {} : { delay: delay as Delay }),
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
  };
}

function headerOf(given: string): [string, string] {
  const at = given.indexOf('=');
  if (at < 1) throw optionInvalid('publish: --header', 'NAME=TEXT', given);
  return [given.slice(0, at), given.slice(at + 1)];
}
