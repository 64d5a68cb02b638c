/**
 * What a clone must and must not hold: it builds anywhere, and knows no machine it was made on.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'vitest';

const notOurs = new Set(['.git', 'node_modules', 'dist', 'coverage']);
const files = [...walk('.')];

/** Joined here, so that this file does not hold what it looks for. */
const registryHosts = ['npmjs', 'yarnpkg', 'npmmirror', 'jfrog', 'verdaccio'].map(
  (name) => `registry.${name}`,
);
const machinePath = new RegExp(
  `(^|[\\s"'\`(=])(${['/work', '/root', '/Users', '/home'].join('|')})/`,
);

test('there is something to check', () => {
  assert.ok(files.includes('package.json') && files.length > 20, `${files.length} files`);
});

describe('no file', () => {
  test('names a registry', () => {
    assert.deepEqual(
      holding((text) => registryHosts.some((host) => text.includes(host))),
      [],
    );
  });

  test('names a path of a machine', () => {
    const home = homedir();
    const found = (text: string): boolean =>
      machinePath.test(text) || (home.length > 6 && text.includes(home));
    assert.deepEqual(holding(found), []);
  });
});

describe('the lock file', () => {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    readonly packages: Readonly<Record<string, LockEntry>>;
  };
  const locked = Object.entries(lock.packages);

  test('names no download address', () => {
    assert.ok(locked.length > 50);
    assert.deepEqual(
      locked.filter(([, entry]) => 'resolved' in entry).map(([name]) => name),
      [],
    );
  });

  test('proves every package by its hash', () => {
    const unproven = locked.filter(([name, entry]) => name !== '' && !('integrity' in entry));
    assert.deepEqual(
      unproven.map(([name]) => name),
      [],
    );
  });

  test('holds the binaries of every platform', () => {
    const optional = locked.flatMap(([name, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).map((needed) => ({ name, needed })),
    );
    const absent = optional.filter(
      ({ needed }) => !locked.some(([name]) => name.endsWith(`node_modules/${needed}`)),
    );
    assert.deepEqual(absent, [], 'npm ci would fail on another platform');
  });

  test('agrees with package.json on exact versions', () => {
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as LockEntry;
    const root = lock.packages[''] ?? {};
    for (const kind of ['dependencies', 'devDependencies'] as const) {
      assert.deepEqual(root[kind], manifest[kind], kind);
      for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
        assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is not pinned`);
        assert.equal(lock.packages[`node_modules/${name}`]?.version, version, name);
      }
    }
  });
});

test('.ci/run is a program', () => {
  const { mode } = statSync('.ci/run');
  assert.equal(mode & 0o111, 0o111, `mode ${mode.toString(8)}`);
  assert.match(readFileSync('.ci/run', 'utf8'), /^#!\/usr\/bin\/env bash\n/);
});

interface LockEntry {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    // In a worktree, ".git" is a file.
    if (notOurs.has(entry.name)) continue;
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile() && !/\.(db|db-wal|db-shm|tgz|png|log)$/.test(entry.name)) {
      yield path.replaceAll('\\', '/');
    }
  }
}

function holding(found: (text: string) => boolean): string[] {
  return files.filter((path) => found(readFileSync(path, 'utf8')));
}
