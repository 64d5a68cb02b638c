/**
 * A broker with a store beside it, as a bus puts them together, for the conformance suite: facts
 * are in an SQLite file; or ids and keys as well, and then every connection relays.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from 'malote';
import { sqlite } from 'malote/sqlite';
import type { EngineUnderTest } from 'malote/testing';
import { outboxOf, prepareOutbox } from '../../src/outbox/outbox.ts';
import { createRelay } from '../../src/outbox/relay.ts';
import { remembering } from '../../src/outbox/remembering.ts';

/** What the store keeps. */
type Kept = 'facts' | 'facts and keys';

export function besideStore(broker: EngineUnderTest, kept: Kept): EngineUnderTest {
  const folder = mkdtempSync(join(tmpdir(), 'malote-beside-'));
  const file = join(folder, 'store.db');
  return {
    make: () => (kept === 'facts' ? factsIn : allIn)(broker.make(), sqlite(file)),
    async remove() {
      await broker.remove?.();
      rmSync(folder, { recursive: true });
    },
  };
}

type Database = ReturnType<typeof sqlite>;

function factsIn(broker: Engine, database: Database): Engine {
  return {
    ...broker,
    async open(host) {
      const kept = await database.open(host);
      const transport = await broker.open({ ...host, facts: async () => kept.facts! });
      return {
        ...transport,
        async close() {
          await transport.close();
          await kept.close();
        },
        abandon() {
          transport.abandon();
          kept.abandon();
        },
      };
    },
  };
}

function allIn(broker: Engine, database: Database): Engine {
  const store = outboxOf(database);
  return {
    ...remembering(broker, { open: () => Promise.reject(new Error('opened by a connection')) }),
    async open(host) {
      const kept = await store.open(host);
      await prepareOutbox(kept, 'skip');
      const engine = remembering(broker, { open: async () => kept });
      const transport = await engine.open({ ...host, facts: async () => kept.facts! });
      const relay = createRelay({
        source: kept.queue,
        target: async () => transport.queue,
        remembers: broker.capabilities.dedupe,
        clock: host.clock,
        random: host.random,
        relayed() {},
        refused() {},
        trouble() {},
      });
      relay.start();
      return {
        ...transport,
        async close() {
          await relay.stop();
          await transport.close();
          await kept.close();
        },
        abandon() {
          relay.fail();
          transport.abandon();
          kept.abandon();
        },
      };
    },
  };
}
