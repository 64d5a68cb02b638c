/** Which library has which file open in this process: two on one break each other's locks. */

import { MaloteError } from '../../errors.ts';
import type { DriverName } from './driver.ts';

interface Use {
  readonly driver: DriverName;
  connections: number;
}

/** The files that are open in this process, by `device:inode`. */
const inUse = new Map<string, Use>();

/**
 * Notes that a file is opened by a library; to be called before it is. Answers how to take it back.
 *
 * @throws MaloteError `ENGINE_MISMATCH` where malote has it open by another one
 */
export function enterFile(identity: string, driver: DriverName, where: string): () => void {
  const use = inUse.get(identity) ?? { driver, connections: 0 };
  if (use.driver !== driver) {
    throw new MaloteError(
      'ENGINE_MISMATCH',
      `${where} must be opened by one SQLite library in a process, got "${driver}" where malote ` +
        `has it open by "${use.driver}"; give both the same driver`,
    );
  }
  inUse.set(identity, use);
  use.connections += 1;
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    use.connections -= 1;
    if (use.connections === 0) inUse.delete(identity);
  };
}
