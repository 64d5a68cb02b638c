/**
 * One write to the socket for all that a turn writes. The driver hands over every frame by itself,
 * which is a call of the operating system for each, at both ends.
 */

import type { ChannelModel } from 'amqplib';

interface Socket {
  write(...given: readonly unknown[]): boolean;
  cork(): void;
  uncork(): void;
}

export function gatherWrites(model: ChannelModel): void {
  const { stream } = (model as unknown as { readonly connection: { stream: Socket } }).connection;
  const write = stream.write.bind(stream);
  let isGathering = false;
  const writeOut = (): void => {
    isGathering = false;
    stream.uncork();
  };
  stream.write = (...given) => {
    if (!isGathering) {
      isGathering = true;
      stream.cork();
      // Before the loop goes on: nothing waits for it, and the driver writes in bursts.
      process.nextTick(writeOut);
    }
    return write(...given);
  };
}
