/**
 * What `import 'malote'` costs: the root entry loads no engine and no package it does not declare.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { relative } from 'node:path';
import { describe, test } from 'vitest';
import { node } from '../support/command.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>;
};

/** Every file an import loads, in a process of its own. */
async function filesLoadedBy(specifier: string): Promise<string[]> {
  const program = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({
      load(url, context, nextLoad) {
        loaded.push(url);
        return nextLoad(url, context);
      },
    });
    await import('${specifier}');
    console.log(JSON.stringify(loaded));`;
  const args = ['--conditions=malote-source', '--input-type=module', '--eval', program];
  const { status, stdout, output } = await node(args);
  assert.equal(status, 0, output);
  return (JSON.parse(stdout) as string[])
    .filter((url) => url.startsWith('file:'))
    .map((url) => relative(process.cwd(), fileURLToPath(url)).replaceAll('\\', '/'));
}

describe('importing the root entry', () => {
  test('loads no transport, command line or dashboard', async () => {
    const loaded = await filesLoadedBy('malote');

    assert.ok(loaded.includes('src/index.ts'), loaded.join('\n'));
    const unwanted = /^src\/(transports|cli|dashboard|testing)\//;
    assert.deepEqual(
      loaded.filter((path) => unwanted.test(path)),
      [],
    );
  });

  test('loads no package that is not a declared dependency', async () => {
    const loaded = await filesLoadedBy('malote');

    const packages = loaded.flatMap(
      (path) => /^.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? [],
    );
    assert.deepEqual(
      packages.filter((name) => !(name in manifest.dependencies)),
      [],
    );
  });
});

test('an engine loads its own folder and no other engine', async () => {
  const loaded = await filesLoadedBy('malote/memory');

  assert.ok(loaded.includes('src/transports/memory/index.ts'), loaded.join('\n'));
  assert.deepEqual(
    loaded.filter((path) => /^src\/transports\/(?!memory\/)/.test(path)),
    [],
  );
});
