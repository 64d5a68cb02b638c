/** Which driver a contestant has. */

import { Absent } from '../scenario.ts';
import { openBareMemory } from './bare-memory.ts';
import { openBareRabbitmq } from './bare-rabbitmq.ts';
import { openBareSqlite } from './bare-sqlite.ts';
import type { Driver, DriverOptions } from './driver.ts';
import { openMalote } from './malote.ts';
import { openPlainjob } from './plainjob.ts';

const bare = { memory: openBareMemory, sqlite: openBareSqlite, rabbitmq: openBareRabbitmq };

export async function openDriver(options: DriverOptions): Promise<Driver> {
  const { driver, engine } = options.settings;
  switch (driver) {
    case 'malote':
      return await openMalote(options);
    case 'bare':
      return await bare[engine](options);
    case 'bare-alike':
    case 'bare-singly':
      if (engine !== 'rabbitmq') throw new Absent('only a server is told of every message');
      return await openBareRabbitmq(options);
    case 'plainjob':
      if (engine !== 'sqlite') throw new Absent('plainjob is a queue on SQLite');
      return await openPlainjob(options);
  }
}
