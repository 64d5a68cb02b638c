/**
 * A stranger's first minutes: install the tarball into an empty project with no driver and no
 * types of Node, compile strictly, run.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, test } from 'vitest';
import { bin, node, npm } from '../support/command.ts';
import { pack, type Packed } from '../support/published.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const workshop = join(folder, 'malote');
const project = join(folder, 'project');
let packed: Packed;

beforeAll(async () => {
  mkdirSync(workshop);
  mkdirSync(project);
  packed = await pack(workshop);

  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  const quick = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status, output } = await npm(['install', ...quick, packed.tarball], { cwd: project });
  assert.equal(status, 0, output);
  copyFileSync('test/package/consumer.ts', join(project, 'consumer.ts'));
}, 180_000);

const papers = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'LICENSE', 'CHANGELOG.md'];

test('the tarball holds the build and its papers, nothing else', () => {
  const strangers = packed.files.filter(
    (path) =>
      !/^dist\/.*\.(js|d\.ts)$/.test(path) &&
      !/^(docs\/.*\.(md|svg)|examples\/.*\.(ts|md))$/.test(path) &&
      !['package.json', ...papers].includes(path),
  );
  assert.deepEqual(strangers, []);
  for (const path of [...papers, 'dist/index.js', 'dist/index.d.ts', 'docs/guarantees.md']) {
    assert.ok(packed.files.includes(path), `${path} is missing`);
  }
});

test('the published manifest names no source, and the one in the repository is as before', () => {
  const published = readFileSync(join(project, 'node_modules/malote/package.json'), 'utf8');

  assert.equal(published.includes('"./src/'), false);
  assert.equal(
    readFileSync(join(workshop, 'package.json'), 'utf8'),
    readFileSync('package.json', 'utf8'),
  );
});

test('installing it brings nothing but its dependencies', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const lock = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, unknown>>;
  };
  const installed = Object.keys(lock.packages)
    .filter((path) => path !== '')
    .map((path) => path.replace('node_modules/', ''));

  assert.deepEqual(installed.toSorted(), ['malote', ...Object.keys(dependencies)].toSorted());
});

test('a program compiles strictly against it and runs', { timeout: 120_000 }, async () => {
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        target: 'es2023',
        lib: ['es2023', 'esnext.disposable', 'dom'],
        module: 'nodenext',
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        outDir: 'out',
      },
      files: ['consumer.ts'],
    }),
  );

  const compiled = await node([bin.tsc], { cwd: project });
  assert.equal(compiled.status, 0, compiled.output);

  const ran = await node(['out/consumer.js'], { cwd: project });
  assert.equal(ran.status, 0, ran.output);
  assert.equal(ran.stdout, 'received 42\n');
});

test('a stranger starts the command line', async () => {
  const asked = await npm(['exec', '--no', 'malote', '--', '--help'], { cwd: project });
  assert.equal(asked.status, 0, asked.output);
  assert.match(asked.stdout, /^Usage: malote COMMAND/);

  const lost = await node(['node_modules/malote/dist/cli/malote.js', 'topics'], { cwd: project });
  assert.equal(lost.status, 6, lost.output);
  assert.match(lost.output, /CONFIG_MISSING/);
});
