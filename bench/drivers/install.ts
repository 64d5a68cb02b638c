/**
 * Installs the contestants that are not among malote's own dependencies, once, into a folder of
 * the system's temporary one each. One of them is compiled, for which the headers of the very Node
 * that runs come as a package of the registry too. Where that fails, they are not compared.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** By driver, exact. */
export const peerVersions = {
  plainjob: { plainjob: '0.0.14', 'better-sqlite3': '12.11.1' },
  bentocache: { bentocache: '1.6.1' },
} as const satisfies Readonly<Record<string, Readonly<Record<string, string>>>>;

export type PeerName = keyof typeof peerVersions;

const mostMs = 600_000;

export function isPeer(driver: string): driver is PeerName {
  return Object.hasOwn(peerVersions, driver);
}

/** A file of the folder to resolve packages from, or null where they are not installed. */
export function installed(peer: PeerName): string | null {
  const { manifest, finished } = placeOf(peer);
  return existsSync(finished) ? manifest : null;
}

function placeOf(peer: PeerName): Readonly<Record<'folder' | 'manifest' | 'finished', string>> {
  const folder = join(tmpdir(), `malote-bench-${peer}-${process.version}`);
  return { folder, manifest: join(folder, 'package.json'), finished: join(folder, 'installed') };
}

/** Answers why it failed, or null. */
export function install(peer: PeerName): string | null {
  if (installed(peer) !== null) return null;
  const { folder, manifest, finished } = placeOf(peer);
  const headers = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(manifest, '{ "private": true, "allowScripts": { "better-sqlite3": true } }\n');
  const packages = [
    ...Object.entries(peerVersions[peer]).map(([name, version]) => `${name}@${version}`),
    ...(peer === 'plainjob' ? [`${headers}@${process.version.slice(1)}`] : []),
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
