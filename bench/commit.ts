/** Which code was measured. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** What a run writes itself is no change to what the next one measures. */
const written = [':!bench/results', ':!docs/benchmarks.md'];

export function describeCommit(): string {
  const commit = git('rev-parse', '--short', 'HEAD');
  if (commit === null) return 'unknown: not in a git repository';
  const changes = git('status', '--porcelain', '--', '.', ...written);
  return changes === '' ? commit : `${commit} with changes`;
}

function git(...args: readonly string[]): string | null {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}
