/**
 * What a newcomer does first, on the Node and npm that the machine has: a clone in an empty folder,
 * an empty npm cache, `npm ci`, `npm start`, and a customer registered on port 3000.
 *
 *     npm run fresh
 *
 * Clones what is committed here. Port 3000 has to be free, as the README says 3000.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const url = 'http://localhost:3000';
const mostMs = 60_000;
const pollMs = 50;
const isWindows = process.platform === 'win32';
const customer = '{"email":"test@example.com","name":"TESTTTTTT"}';

const folder = mkdtempSync(join(tmpdir(), 'malote-fresh-'));
const clone = join(folder, 'malote');
const cache = join(folder, 'npm-cache');
const environment = strangersEnvironment();

try {
  mkdirSync(cache);
  run('git', ['clone', '--quiet', '--no-hardlinks', resolve('.'), clone], folder);
  console.log(`node ${run('node', ['--version'], clone)}, npm ${run('npm', ['--version'], clone)}`);
  const installedAt = performance.now();
  run('npm', ['ci', '--no-audit', '--no-fund'], clone);
  console.log(`npm ci took ${seconds(performance.now() - installedAt)}`);
  await useService();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Without what `npm run` and this repository's own Node put in the way. */
function strangersEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(?!config_(registry|userconfig))|NODE|INIT_CWD$)/i.test(name),
  );
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((place) => !/node_modules|node-gyp-bin/.test(place));
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter), npm_config_cache: cache };
}

function run(program: string, args: readonly string[], cwd: string): string {
  const options = { cwd, env: environment, encoding: 'utf8', shell: isWindows } as const;
  const { status, stdout, stderr, error } = spawnSync(program, args, options);
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${error?.message ?? stdout + stderr}`);
  return stdout.trim();
}

async function useService(): Promise<void> {
  assert.equal(await statusOf('/healthz'), null, `something answers on ${url} already`);
  const startedAt = performance.now();
  const child = spawn('npm', ['start'], {
    ...{ cwd: clone, env: environment, shell: isWindows },
    // npm starts a shell that starts the service: they end together.
    ...{ detached: !isWindows, stdio: ['ignore', 'inherit', 'inherit'] },
  });
  const ended = once(child, 'exit');
  try {
    while ((await statusOf('/readyz')) !== 200) {
      assert.equal(child.exitCode, null, 'npm start ended');
      assert.ok(performance.now() - startedAt < mostMs, `not ready within ${mostMs} ms`);
      await sleep(pollMs);
    }
    console.log(`npm start was ready after ${seconds(performance.now() - startedAt)}`);
    assert.equal(await statusOf('/customers', customer), 201);
    console.log('POST /customers answered 201');
  } finally {
    end(child);
    await ended;
  }
}

/** Null where nobody listens. */
async function statusOf(path: string, body?: string): Promise<number | null> {
  const headers = { 'Content-Type': 'application/json' };
  const given = body === undefined ? {} : { method: 'POST', headers, body };
  return await fetch(url + path, given).then(
    ({ status }) => status,
    () => null,
  );
}

function end(child: ChildProcess): void {
  if (child.exitCode !== null || child.pid === undefined) return;
  if (isWindows) child.kill();
  else process.kill(-child.pid, 'SIGTERM');
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
