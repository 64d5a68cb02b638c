/**
 * Installs the contestants that are not among malote's own dependencies, once, into a folder of
 * the system's temporary one. One of them is compiled, for which the headers of the very Node that
 * runs come as a package of the registry too. Where that fails, they are not compared.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const plainjobVersions: Readonly<Record<string, string>> = {
  plainjob: '0.0.14',
  'better-sqlite3': '12.11.1',
};

const folder = join(tmpdir(), `malote-bench-contestants-${process.version}`);
const manifest = join(folder, 'package.json');
const finished = join(folder, 'installed');
const mostMs = 600_000;

/** A file of the folder to resolve packages from, or null where they are not installed. */
export function installed(): string | null {
  return existsSync(finished) ? manifest : null;
}

/** Answers why it failed, or null. */
export function install(): string | null {
  if (installed() !== null) return null;
  const headers = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(manifest, '{ "private": true, "allowScripts": { "better-sqlite3": true } }\n');
  const packages = [
    ...Object.entries(plainjobVersions).map(([name, version]) => `${name}@${version}`),
    `${headers}@${process.version.slice(1)}`,
  ];
  const { status, stderr, error } = spawnSync('npm', ['install', '--no-audit', ...packages], {
    cwd: folder,
    encoding: 'utf8',
    timeout: mostMs,
    shell: process.platform === 'win32',
    env: { ...process.env, npm_config_nodedir: join(folder, 'node_modules', headers) },
  });
  if (status === 0) {
    writeFileSync(finished, '');
    return null;
  }
  const lines = (error?.message ?? stderr).split('\n').filter((line) => /error|ERR/.test(line));
  return `npm install failed: ${lines[0]?.slice(0, 200) ?? 'no reason given'}`;
}
