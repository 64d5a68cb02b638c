/**
 * package.json and the built files agree, both ways, and the source condition leads to the file
 * each built entry is made from.
 */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { beforeAll, describe, test } from 'vitest';
import { restore, strip } from '../../scripts/manifest.ts';
import { bin, node } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

type Exports = Readonly<Record<string, string | Readonly<Record<string, string>>>>;

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly exports: Exports };
const entries = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
  typeof target === 'string' ? [] : [{ subpath, target }],
);
const folder = temporaryFolder();
let built: string[] = [];

beforeAll(async () => {
  const outDir = join(folder, 'dist');
  const { status, output } = await node([bin.tsc, '-p', 'tsconfig.build.json', '--outDir', outDir]);
  assert.equal(status, 0, output);
  built = readdirSync(outDir, { recursive: true, encoding: 'utf8' }).map((path) =>
    path.replaceAll('\\', '/'),
  );
}, 120_000);

test('there is something to check', () => {
  assert.ok(entries.length > 0 && built.length > 0);
});

describe('each subpath', () => {
  test.each(entries)('$subpath', ({ subpath, target }) => {
    assert.deepEqual(Object.keys(target), ['malote-source', 'types', 'default']);
    for (const condition of ['types', 'default']) {
      const path = target[condition] ?? '';
      assert.ok(built.includes(path.replace('./dist/', '')), `${subpath}: nothing builds ${path}`);
    }
    const source = target['malote-source'] ?? '';
    assert.ok(existsSync(source), `${subpath}: ${source} does not exist`);
    assert.equal(target['default'], source.replace('./src/', './dist/').replace('.ts', '.js'));
    assert.equal(target['types'], target['default']?.replace('.js', '.d.ts'));
  });
});

test('every entry file that is built is exported', () => {
  const exported = entries.map(({ target }) => (target['default'] ?? '').replace('./dist/', ''));
  const entryFiles = built.filter((path) => /(^|\/)index\.js$/.test(path));
  assert.deepEqual(entryFiles.toSorted(), exported.toSorted());
});

test('no test is built', () => {
  assert.deepEqual(
    built.filter((path) => path.includes('.test.')),
    [],
  );
});

test('the source condition is taken out for packing and put back unchanged', () => {
  const published = strip(manifest.exports);

  assert.equal(JSON.stringify(published).includes('malote-source'), false);
  assert.equal(JSON.stringify(restore(published)), JSON.stringify(manifest.exports));
});

test('publint has no complaint', async () => {
  const published = { ...manifest, exports: strip(manifest.exports) };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(published));
  for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md']) {
    if (existsSync(name)) copyFileSync(name, join(folder, name));
  }

  const { messages, pkg } = await publint({ pkgDir: folder, strict: true, pack: false });

  assert.deepEqual(
    messages.map((message) => formatMessage(message, pkg)),
    [],
  );
});
