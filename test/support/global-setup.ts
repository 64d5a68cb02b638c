/**
 * Runs once before any test: the tests mean nothing on a Node nobody chose. When an install skips
 * scripts, the `node` package brings no binary and npm silently falls back to the machine's own.
 */
import { readFileSync } from 'node:fs';

const lowest = [22, 18] as const;

export function setup(): void {
  const running = process.versions.node;
  const [major = 0, minor = 0] = running.split('.').map(Number);
  if (major < lowest[0] || (major === lowest[0] && minor < lowest[1])) {
    throw new Error(`malote needs Node ${lowest.join('.')} or newer, this is ${running}`);
  }

  const chosen = process.env['MALOTE_NODE'] ?? pinned();
  if (running !== chosen) {
    throw new Error(
      `The tests should run on Node ${chosen}, this is ${running}. Run them by "npm test" after ` +
        `"npm ci" with scripts allowed, or name the version you mean: MALOTE_NODE=${running}`,
    );
  }
}

function pinned(): string {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
    readonly devDependencies: { readonly node: string };
  };
  return manifest.devDependencies.node;
}
