/**
 * The caches that are compared. Each hands every caller a copy of its own, loads a key once per
 * process however many ask, and keeps values for an hour.
 */

import { createRequire } from 'node:module';
import { DatabaseSync } from 'node:sqlite';
import { createBus } from 'malote';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';
import { Absent, type CacheSettings } from '../scenario.ts';
import { installed, peerVersions } from './install.ts';

export interface Rate {
  readonly key: string;
  readonly rate: string;
  readonly note: string;
}

export interface CacheDriver {
  get(key: string): Promise<Rate>;
  close(): Promise<void>;
  readonly versions?: Readonly<Record<string, string>>;
}

export interface CacheDriverOptions {
  readonly settings: CacheSettings;
  readonly file: string;
  load(key: string): Promise<Rate>;
}

const hourMs = 3_600_000;

export function rateOf(key: string): Rate {
  return { key, rate: '1.0837', note: 'as the service for exchange rates answered it last' };
}

export async function openCache(options: CacheDriverOptions): Promise<CacheDriver> {
  switch (options.settings.driver) {
    case 'malote':
      return openMalote(options);
    case 'select':
      return openSelect(options);
    case 'map':
      return openMap(options);
    case 'bentocache':
      return await openBentocache(options);
  }
}

function openMalote({ settings, file, load }: CacheDriverOptions): CacheDriver {
  const engine = settings.engine === 'memory' ? memory() : sqlite(file);
  const bus = createBus({ engine, logger: false, handleSignals: false });
  const cache = bus.cache('rates', { ttl: '1h', load });
  return { get: (key) => cache.get(key), close: () => bus.stop() };
}

/** What reading an entry costs at least: one row of malote's own table, and its JSON. */
async function openSelect({ settings, file, load }: CacheDriverOptions): Promise<CacheDriver> {
  const filling = openMalote({ settings, file, load });
  const filled = new Set<string>();
  let select: ReturnType<DatabaseSync['prepare']> | null = null;
  let database: DatabaseSync | null = null;

  async function fill(key: string): Promise<void> {
    await filling.get(key);
    filled.add(key);
    database ??= new DatabaseSync(file);
    select ??= database.prepare('select value from ml_entry where space = ? and name = ?');
  }

  return {
    async get(key) {
      if (!filled.has(key)) await fill(key);
      const row = select!.get('cache:rates', key) as { readonly value: string };
      return JSON.parse(row.value) as Rate;
    },
    async close() {
      database?.close();
      await filling.close();
    },
  };
}

/** What most services write by hand. */
function openMap({ load }: CacheDriverOptions): CacheDriver {
  const values = new Map<string, { readonly text: string; readonly until: number }>();
  const loading = new Map<string, Promise<string>>();

  async function fill(key: string): Promise<string> {
    const text = JSON.stringify(await load(key));
    values.set(key, { text, until: Date.now() + hourMs });
    loading.delete(key);
    return text;
  }

  return {
    async get(key) {
      const value = values.get(key);
      if (value !== undefined && value.until > Date.now()) return JSON.parse(value.text) as Rate;
      const filling = loading.get(key) ?? fill(key);
      loading.set(key, filling);
      return JSON.parse(await filling) as Rate;
    },
    close: async () => {},
  };
}

/** The parts of the package that are used here; it is not among malote's own. */
interface Bentocache {
  readonly BentoCache: new (
    options: object,
  ) => {
    getOrSet(options: object): Promise<Rate>;
    disconnectAll(): Promise<void>;
  };
  readonly bentostore: () => { useL1Layer(driver: unknown): unknown };
}

async function openBentocache({ load }: CacheDriverOptions): Promise<CacheDriver> {
  const place = installed('bentocache');
  if (place === null) throw new Absent('bentocache is not installed');
  const { resolve } = createRequire(place);
  const { BentoCache, bentostore } = (await import(resolve('bentocache'))) as Bentocache;
  const drivers = (await import(resolve('bentocache/drivers/memory'))) as {
    memoryDriver(options: object): unknown;
  };
  const driver = drivers.memoryDriver({ maxItems: 100_000, serialize: true });
  const rates = bentostore().useL1Layer(driver);
  const cache = new BentoCache({ default: 'rates', stores: { rates } });
  return {
    get: (key) => cache.getOrSet({ key, ttl: hourMs, factory: () => load(key) }),
    close: () => cache.disconnectAll(),
    versions: peerVersions.bentocache,
  };
}
