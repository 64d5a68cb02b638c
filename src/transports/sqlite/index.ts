/**
 * `sqlite(path)`: the engine that lives in one file. No server, no native build; several processes
 * of one machine share it.
 */

import { optionInvalid, optionUnknown } from '../../errors.ts';
import type { Capabilities } from '../../transport/capabilities.ts';
import type { Engine } from '../../transport/transport.ts';
import type { SqliteTransaction } from './join.ts';
import { addressOf } from './file.ts';
import { openTransport } from './open.ts';
import { maxBodyBytes } from './publish.ts';

export type { SqliteTransaction } from './join.ts';

export interface SqliteOptions {
  /**
   * `full`: an accepted message survives power loss. `normal`: it survives the death of every
   * process, but power loss may take the last commits.
   * @defaultValue 'full'
   */
  readonly durability?: 'full' | 'normal';
}

/**
 * Messages in an SQLite file, created when it is not there.
 *
 * @throws MaloteError `OPTION_INVALID`, `OPTION_UNKNOWN`
 */
export function sqlite(path: string, options: SqliteOptions = {}): Engine<SqliteTransaction> {
  const durability = checkOptions(options);
  const capabilities: Capabilities = {
    delivery: 'lanes',
    lease: 'timed',
    fencing: true,
    dedupe: true,
    atomicSettle: true,
    survives: durability === 'full' ? 'power-loss' : 'process-crash',
    processes: 'many',
    transactions: true,
    coordination: true,
    maxBodyBytes,
    lookup: true,
    counts: 'exact',
  };
  return {
    name: 'sqlite',
    get address() {
      return `sqlite:${addressOf(path)}`;
    },
    capabilities,
    open: (host) => openTransport({ path, durability }, host),
  };
}

const known = ['durability'];

function checkOptions(options: SqliteOptions): 'full' | 'normal' {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw optionUnknown('sqlite()', name, known);
  }
  const { durability = 'full' } = options;
  if (durability === 'full' || durability === 'normal') return durability;
  throw optionInvalid('sqlite() durability', '"full" or "normal"', durability);
}
