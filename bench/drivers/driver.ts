/** What a contestant must do to take part in a workload: take messages in, and hand them out. */

import type { FlowSettings } from '../scenario.ts';
import type { Order } from '../load.ts';

export interface Driver {
  /** Resolves once the message is stored as durably as the contestant stores it. */
  publish(order: Order): Promise<unknown>;
  /** Begins to hand messages out. */
  start(): Promise<void>;
  /** Messages it still has, those being handled included. */
  held(): Promise<number>;
  close(): Promise<void>;
  readonly versions?: Readonly<Record<string, string>>;
}

export interface DriverOptions {
  readonly settings: FlowSettings;
  /** The database file, or the address of the server. */
  readonly place: string;
  /** Rejects where the attempt is meant to fail. */
  handle(order: Order, attempt: number): Promise<void>;
}

/** A driver that can also make messages wait, for the scenarios about facts. */
export interface WaitingDriver extends Driver {
  /** Opens the facts that the messages of these keys wait for. */
  fulfil(...keys: readonly string[]): Promise<void>;
  /** How many messages wait. */
  waiting(): Promise<number>;
  /** Publishes a message that waits for a fact; resolves once it does. */
  park(order: Order): Promise<void>;
}
