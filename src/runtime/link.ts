/**
 * The bus's one connection to its engine: opened on first use, shared by everything, closed once.
 *
 * Opening that fails is reported to whoever asked and tried again by the next who asks. After
 * `close` every use is refused with `BUS_STOPPED`; after `fail`, with what failed.
 */

import { MaloteError } from '../errors.ts';
import type { Engine, Host, Transport } from '../transport/transport.ts';

export interface Link<Tx> {
  /** The open transport, or null while it is not: the fast path of the hot calls. */
  readonly transport: Transport<Tx> | null;
  open(): Promise<Transport<Tx>>;
  close(): Promise<void>;
  /** The engine cannot go on: closes what is open, without waiting for it. */
  fail(error: MaloteError): void;
  /** What it failed with. */
  readonly failure: MaloteError | null;
  /** Drops the connection as a dying process does. For tests. */
  abandon(): void;
}

export function createLink<Tx>(engine: Engine<Tx>, host: Host): Link<Tx> {
  let transport: Transport<Tx> | null = null;
  let opening: Promise<Transport<Tx>> | null = null;
  let failure: MaloteError | null = null;
  let closed = false;

  async function connect(): Promise<Transport<Tx>> {
    try {
      transport = await engine.open(host);
    } finally {
      opening = null;
    }
    if (failure === null) return transport;
    giveUp();
    throw failure;
  }

  /** What cannot be closed any more was dropped by the engine itself. */
  function giveUp(): void {
    transport?.close().catch(() => {});
  }

  return {
    get transport() {
      return closed || failure !== null ? null : transport;
    },
    get failure() {
      return failure;
    },
    async open() {
      if (closed) throw new MaloteError('BUS_STOPPED', 'the bus was stopped; create a new one');
      if (failure !== null) throw failure;
      if (transport !== null) return transport;
      opening ??= connect();
      return await opening;
    },
    async close() {
      if (closed) return;
      closed = true;
      const open = opening === null ? transport : await opening.catch(() => null);
      await open?.close();
    },
    fail(error) {
      if (failure !== null) return;
      failure = error;
      giveUp();
    },
    abandon() {
      closed = true;
      transport?.abandon();
    },
  };
}
