/**
 * What a server says of itself when it is connected to, and whether malote can keep its promises
 * with it. Where it cannot, nothing is begun: see {@link checkServer}.
 */

import type { ChannelModel } from 'amqplib';
import { MaloteError } from '../../errors.ts';
import type { Finding } from '../../transport/transport.ts';
import { hide } from './addresses.ts';

/** Streams at the least, and quorum queues whose delivery limit counts as malote needs it. */
const oldest = [3, 10] as const;
const firstUntried = 4;
/** Everything that travels beside a body is one frame. */
const leastFrameBytes = 65_536;
/** What is published goes over nine; the rest is for what is declared and looked at. */
const leastChannels = 16;

interface ServerProperties {
  readonly product?: unknown;
  readonly version?: unknown;
  readonly capabilities?: Readonly<Record<string, unknown>>;
  readonly frameMax?: unknown;
  readonly channelMax?: unknown;
}

interface Greeted {
  readonly serverProperties: ServerProperties;
  readonly frameMax: number;
  readonly channelMax: number;
}

/** Those that a connection may have: the driver and the server agreed on it. */
export function channelsOf({ connection }: ChannelModel): number {
  return (connection as unknown as Greeted).channelMax;
}

export function majorOf(model: ChannelModel): number {
  return versionOf(greetingOf(model))[0];
}

function versionOf({ version }: ServerProperties): readonly [major: number, minor: number] {
  const [major = 0, minor = 0] = String(version).split('.').map(Number);
  return [major, minor];
}

export function greetingOf({ connection }: ChannelModel): ServerProperties {
  const { serverProperties, frameMax, channelMax } = connection as unknown as Greeted;
  return { ...serverProperties, frameMax, channelMax };
}

/** @throws MaloteError `ENGINE_VERSION` */
export function checkServer(model: ChannelModel, url: string): void {
  const refused = judge(greetingOf(model)).find(({ level }) => level === 'refused');
  if (refused === undefined) return;
  throw new MaloteError('ENGINE_VERSION', `${hide(url)} cannot be used: ${refused.sentence}`);
}

/** What its greeting tells. */
export function judge(properties: ServerProperties): readonly Finding[] {
  const { product, version, capabilities, frameMax, channelMax } = properties;
  if (product !== 'RabbitMQ') {
    return [
      { level: 'refused', sentence: `${String(product)} is not RabbitMQ: nothing holds there` },
    ];
  }
  const [major, minor] = versionOf(properties);
  const isOld = major < oldest[0] || (major === oldest[0] && minor < oldest[1]);
  const is = `RabbitMQ ${String(version)}`;
  const findings: Finding[] = [];
  if (isOld) {
    const least = oldest.join('.');
    const sentence = `${is} is older than ${least}, which order and facts need; update the server`;
    findings.push({ level: 'refused', sentence });
  }
  if (major >= firstUntried) {
    findings.push({ level: 'warning', sentence: `malote has not been tested with ${is}` });
  }
  if (capabilities?.['publisher_confirms'] !== true) {
    const sentence = `${is} does not confirm what it stores: no message would be accepted for sure`;
    findings.push({ level: 'refused', sentence });
  }
  if (typeof frameMax === 'number' && frameMax < leastFrameBytes) {
    const sentence =
      `frame_max is ${frameMax} bytes, and malote needs ${leastFrameBytes}; take that line out ` +
      'of the settings of the server, or frameMax out of the address';
    findings.push({ level: 'refused', sentence });
  }
  if (typeof channelMax === 'number' && channelMax < leastChannels) {
    const sentence =
      `channel_max is ${channelMax}, and malote needs ${leastChannels} to publish, more to ` +
      'consume; raise it in the settings of the server, or in the address';
    findings.push({ level: 'refused', sentence });
  }
  return findings;
}
