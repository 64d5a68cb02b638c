/** Where one run takes place: a folder or a server of its own, gone with everything afterwards. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FlowSettings } from '../scenario.ts';
import { withServer } from './broker.ts';

export async function inPlace<Result>(run: (file: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'malote-bench-'));
  try {
    return await run(join(folder, 'bench.db'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs with a database file, or with the address of a server, whichever the engine needs. */
export async function onEngine<Result>(
  { engine }: Pick<FlowSettings, 'engine'>,
  run: (place: string) => Promise<Result>,
): Promise<Result> {
  if (engine !== 'rabbitmq') return await inPlace(run);
  return await withServer(({ url }) => run(url));
}
