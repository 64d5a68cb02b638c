/** The public names of malote, one by one. Engines have their own entries: `malote/sqlite`, … */

export {
  anyOf,
  type Dependency,
  type DependencyKey,
  dependency,
} from './message/dependency.ts';
export type { Cache, CacheOptions } from './cache/cache.ts';
export type { HeldLock } from './lock/lock.ts';
export type { Duration } from './message/duration.ts';
export {
  type DataOf,
  type InputOf,
  type MessageOptions,
  type MessageType,
  message,
} from './message/message.ts';
export { type ErrorCode, MaloteError } from './errors.ts';
export { type Backoff, exponential, fixed, linear } from './policy/backoff.ts';
export type {
  Bus,
  BusOptions,
  ConsumeOptions,
  Handler,
  StoredBusOptions,
} from './runtime/bus.ts';
export type { HandlerContext } from './runtime/context.ts';
export { createBus } from './runtime/create-bus.ts';
export type { PublishOptions } from './runtime/envelope.ts';
export { type TransitionEvent, transitionChannel } from './runtime/events.ts';
export type { Outbox, OutboxStats } from './runtime/outbox.ts';
export type { PinoLike } from './runtime/log.ts';
export type { Published, PublishResult } from './runtime/publisher.ts';
export type { Received } from './runtime/reader.ts';
export type {
  DeadLetter,
  MessageView,
  Page,
  SubscriptionView,
  WaitingMessage,
} from './transport/store.ts';
export type { Engine } from './transport/transport.ts';
