/**
 * The bus's one connection to its engine: opened on first use, shared by everything, closed once.
 *
 * Opening that fails is reported to whoever asked and tried again by the next who asks. After
 * `close` every use is refused with `BUS_STOPPED`.
 */

import { MaloteError } from '../errors.ts';
import type { Engine, Host, Transport } from '../transport/transport.ts';

export interface Link<Tx> {
  /** The open transport, or null while it is not: the fast path of the hot calls. */
  readonly transport: Transport<Tx> | null;
  open(): Promise<Transport<Tx>>;
  close(): Promise<void>;
  /** Drops the connection as a dying process does. For tests. */
  abandon(): void;
}

export function createLink<Tx>(engine: Engine<Tx>, host: Host): Link<Tx> {
  let transport: Transport<Tx> | null = null;
  let opening: Promise<Transport<Tx>> | null = null;
  let closed = false;

  async function connect(): Promise<Transport<Tx>> {
    try {
      transport = await engine.open(host);
      return transport;
    } finally {
      opening = null;
    }
  }

  return {
    get transport() {
      return closed ? null : transport;
    },
    async open() {
      if (closed) throw new MaloteError('BUS_STOPPED', 'the bus was stopped; create a new one');
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
    abandon() {
      closed = true;
      transport?.abandon();
    },
  };
}
