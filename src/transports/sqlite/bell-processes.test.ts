/**
 * The doorbell among real processes, which are killed, stopped and closed.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, test } from 'vitest';

let directory: string;
let path: string;
let children: ChildProcess[];

beforeEach(() => {
  directory = mkdtempSync(join(realpathSync(tmpdir()), 'malote-bells-'));
  path = join(directory, 'app.db');
  children = [];
});

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

describe('among eight processes', () => {
  test('all are rung, and only the killed one is dead', async () => {
    const peers = await Promise.all(Array.from({ length: 8 }, (_, index) => startPeer(index)));
    await Promise.all(peers.map((peer) => peer.said('heard 7')));
    const [killed, stopped, polite, ringer, ...others] = peers;

    stopped!.child.kill('SIGSTOP');
    polite!.tell('close');
    await polite!.said('closed');
    killed!.child.kill('SIGKILL');
    await Promise.all([ringer!, ...others].map((peer) => peer.said('gone 0')));
    ringer!.tell('ring');
    await Promise.all(others.map((peer) => peer.said('heard 8')));
    stopped!.child.kill('SIGCONT');
    await Promise.all(['gone 0', 'heard 8'].map((line) => stopped!.said(line)));

    for (const { lines } of [stopped!, ringer!, ...others]) {
      assert.deepEqual(
        lines.filter((line) => line.startsWith('gone')),
        ['gone 0'],
      );
    }
  });

  test('those that start one after the other find each other', async () => {
    const first = await startPeer(1);
    const second = await startPeer(2);
    await Promise.all([first.said('heard 1'), second.said('heard 1')]);
    const third = await startPeer(3);
    await Promise.all([first.said('heard 2'), second.said('heard 2'), third.said('heard 2')]);

    first.tell('ring');

    await Promise.all([second.said('heard 3'), third.said('heard 3')]);
    assert.ok(!first.lines.includes('heard 3'));
  });
});

describe('a stopped process', () => {
  test('that is killed is dead, however often it was rung', async () => {
    const [witness, peer] = await Promise.all([startPeer(0), startPeer(1)]);
    await Promise.all([witness.said('heard 1'), peer.said('heard 1')]);
    peer.child.kill('SIGSTOP');
    for (let ring = 0; ring < 1_000; ring++) witness.tell('ring');

    peer.child.kill('SIGKILL');

    await witness.said('gone 1');
    assert.deepEqual(witness.lines.slice(-1), ['gone 1']);
  });
});

describe('a process', () => {
  test('does not live on for its bell', async () => {
    const { child } = await startPeer(1, 'process.stdin.destroy();');

    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  test('lives on for it when asked to', async () => {
    const { child, said } = await startPeer(1, 'process.stdin.destroy(); bell.ref();');
    const witness = await startPeer(2);
    await said('heard 1');

    witness.tell('ring');
    await said('heard 2');
    child.kill('SIGTERM');

    assert.deepEqual(await once(child, 'exit'), [null, 'SIGTERM']);
  });
});

interface Peer {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  said(line: string): Promise<void>;
  tell(order: 'close' | 'ring'): void;
}

/** A bell in a process of its own, which obeys and tells its news line by line. */
async function startPeer(sessionId: number, more = ''): Promise<Peer> {
  const script = `
    const { path, sessionId, modules } = JSON.parse(process.argv[1]);
    const [{ createBell }, { systemClock }, { createInterface }] =
      await Promise.all(modules.map((name) => import(name)));
    let heard = 0;
    const bell = createBell({
      path, sessionId, clock: systemClock,
      onRing: () => console.log('heard ' + ++heard),
      onPeerGone: (peer) => console.log('gone ' + peer),
    });
    createInterface(process.stdin).on('line', (order) => {
      bell[order]();
      if (order === 'close') console.log('closed');
    });
    ${more}
    await bell.ready;
    console.log('ready');`;
  const modules = ['bell.ts', '../../clock.ts'].map((name) => new URL(name, import.meta.url).href);
  const given = JSON.stringify({ path, sessionId, modules: [...modules, 'node:readline'] });
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, given], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  // One that is killed has orders left that it did not read.
  child.stdin.on('error', () => undefined);
  const lines: string[] = [];
  const news = new EventEmitter().setMaxListeners(0);
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    news.emit('line');
  });
  const said = async (line: string): Promise<void> => {
    while (!lines.includes(line)) await once(news, 'line');
  };
  await said('ready');
  return { child, lines, said, tell: (order) => child.stdin.write(`${order}\n`) };
}
