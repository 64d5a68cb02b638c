/**
 * Rings arrive, the dead are noticed at once, and nobody who lives is taken for dead. What only
 * real processes can show is in bell-processes.test.ts.
 */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, test } from 'vitest';
import { type Clock, systemClock, type Timer } from '../../clock.ts';
import { type Bell, createBell } from './bell.ts';

let directory: string;
let path: string;
let bells: Bell[];
let servers: Server[];

beforeEach(() => {
  directory = mkdtempSync(join(realpathSync(tmpdir()), 'malote-bell-'));
  path = join(directory, 'app.db');
  bells = [];
  servers = [];
});

afterEach(() => {
  for (const bell of bells) bell.close();
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true });
});

/** A bell in this process whose news can be awaited. */
class Listener {
  readonly bell: Bell;
  readonly gone: string[] = [];
  rings = 0;
  readonly #news = new EventEmitter();

  constructor(sessionId: number | string, options: { path?: string; clock?: Clock } = {}) {
    this.bell = createBell({
      path,
      clock: systemClock,
      ...options,
      sessionId,
      onRing: () => {
        this.rings++;
        this.#news.emit('news');
      },
      onPeerGone: (peer) => {
        this.gone.push(peer);
        this.#news.emit('news');
      },
    });
    bells.push(this.bell);
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await once(this.#news, 'news');
  }

  /** Ringing is how a bell greets, so the rings that follow are counted from there. */
  async met(peers: number): Promise<void> {
    await this.until(() => this.rings >= peers);
    this.rings = 0;
  }
}

describe('a ring', () => {
  test('wakes the other sessions and not the one that rings', async () => {
    const [one, two, three] = [new Listener(1), new Listener('two'), new Listener(3)];
    await Promise.all([one.met(2), two.met(2), three.met(2)]);

    two.bell.ring();
    await Promise.all([one.until(() => one.rings === 1), three.until(() => three.rings === 1)]);

    assert.equal(two.rings, 0);
    assert.equal(one.bell.problem(), null);
  });

  test('waits in one byte for a peer that does not read', async () => {
    const { received, resume } = await fakePeer('deaf');
    const one = new Listener(1);
    await one.met(1);

    for (let ring = 0; ring < 10_000; ring++) one.bell.ring();
    resume();
    for (let turn = 0; turn < 100; turn++) await nextTurn();
    one.bell.close();

    // What the kernel took before it was full, and the goodbye.
    assert.match(await received, /^1\n!{1,1000}\.?$/);
  });

  test('reaches a peer whose connection came about by looking into the file', async () => {
    const one = new Listener(1);
    await one.bell.ready;
    const two = new Listener(2);
    await Promise.all([one.met(1), two.met(1)]);
    one.bell.peers([1, 2, 3]);
    one.bell.peers(['2']);

    two.bell.ring();
    await one.until(() => one.rings === 1);

    assert.deepEqual(one.gone, []);
  });
});

describe('a session', () => {
  test('that says goodbye is not dead, one that is dropped is', async () => {
    const [polite, dying, witness] = [new Listener(1), new Listener(2), new Listener(3)];
    await Promise.all([polite.met(2), dying.met(2), witness.met(2)]);

    polite.bell.close();
    dying.bell.abandon();
    await witness.until(() => witness.gone.length > 0);

    assert.deepEqual(witness.gone, ['2']);
    assert.deepEqual(readdirSync(`${path}.bell`), ['3']);
  });

  test('found dead by its socket alone is reported, and its socket removed', async () => {
    const dead = new Listener(7);
    await dead.bell.ready;
    dead.bell.abandon();
    assert.deepEqual(readdirSync(`${path}.bell`), ['7']);

    const later = new Listener(8);
    await later.until(() => later.gone.length > 0);

    assert.deepEqual(later.gone, ['7']);
    assert.deepEqual(readdirSync(`${path}.bell`), ['8']);
  });

  test('without a socket proves nothing', async () => {
    const one = new Listener(1);
    await one.bell.ready;
    one.bell.peers([5, 6]);
    const witness = new Listener(2);
    await one.met(1);
    witness.bell.abandon();

    await one.until(() => one.gone.length > 0);

    assert.deepEqual(one.gone, ['2']);
  });

  test('that takes no more connections is looked for again and not taken for dead', async () => {
    let calls = 0;
    const counted = new EventEmitter();
    await listen(
      'full',
      createServer((socket) => {
        socket.destroy();
        counted.emit('call', ++calls);
      }),
    );
    const one = new Listener(1, { clock: hurriedClock });

    while (calls < 11) await once(counted, 'call');
    const witness = new Listener(2);
    await one.met(1);
    witness.bell.abandon();
    await one.until(() => one.gone.length > 0);

    assert.deepEqual(one.gone, ['2']);
  });

  test('that only dropped a connection is connected again and not taken for dead', async () => {
    let calls = 0;
    await listen(
      'alive',
      createServer((socket) => {
        socket.write('alive\n');
        if (++calls === 1) socket.once('data', () => socket.destroy());
      }),
    );
    const one = new Listener(1);

    await one.met(2);
    const witness = new Listener(2);
    await one.met(1);
    witness.bell.abandon();
    await one.until(() => one.gone.length > 0);

    assert.deepEqual(one.gone, ['2']);
  });

  test('that was connected is dead without its socket, too', async () => {
    const [one, two] = [new Listener(1), new Listener(2)];
    await Promise.all([one.met(1), two.met(1)]);
    unlinkSync(join(`${path}.bell`, '2'));

    two.bell.abandon();
    await one.until(() => one.gone.length > 0);

    assert.deepEqual(one.gone, ['2']);
  });

  test('leaves no directory behind when it is the last', async () => {
    const [one, two] = [new Listener(1), new Listener(2)];
    await Promise.all([one.met(1), two.met(1)]);
    assert.equal(statSync(`${path}.bell`).mode & 0o777, 0o700);

    one.bell.close();
    assert.equal(existsSync(`${path}.bell`), true);
    two.bell.close();
    assert.equal(existsSync(`${path}.bell`), false);
  });

  test.each(['', 'a/b', '..', 'x'.repeat(37)])('is not called %j', (name) => {
    assert.throws(() => new Listener(name), { code: 'OPTION_INVALID' });
  });
});

describe('a place', () => {
  test('far from the root is replaced by one among the temporary files', async () => {
    const deep = join(directory, 'd'.repeat(100));
    mkdirSync(deep);
    const far = { path: join(deep, 'app.db') };
    const [one, two] = [new Listener(1, far), new Listener(2, far)];
    await Promise.all([one.met(1), two.met(1)]);

    two.bell.abandon();
    await one.until(() => one.gone.length > 0);

    assert.deepEqual(one.gone, ['2']);
    assert.deepEqual(readdirSync(deep), []);
  });

  test.each([
    ['is missing', () => undefined, 'missing/app.db'],
    ['may be written by others', () => openToAll('app.db.bell'), 'app.db'],
    ['is a file', () => writeFileSync(`${path}.bell`, ''), 'app.db'],
  ])('that %s leaves the bell silent, without an error', async (_name, prepare, name) => {
    prepare();
    const { bell } = new Listener(1, { path: join(directory, name) });
    await bell.ready;

    bell.ring();
    bell.peers([2]);

    assert.match(bell.problem()?.message ?? '', /cannot be hung up \(.+\); other processes/);
  });

  test('keeps what is not a socket of a session', async () => {
    mkdirSync(`${path}.bell`, { mode: 0o700 });
    writeFileSync(join(`${path}.bell`, '77'), 'mine');
    const one = new Listener(1);
    await one.bell.ready;
    one.bell.peers([77]);
    const witness = new Listener(2);
    await one.met(1);
    witness.bell.abandon();

    await one.until(() => one.gone.includes('2'));

    assert.equal(existsSync(join(`${path}.bell`, '77')), true);
  });

  test('does not fall to a stranger who talks without end', async () => {
    const one = new Listener(1);
    await one.bell.ready;

    const stranger = connect(join(`${path}.bell`, '1'));
    stranger.resume().write('x'.repeat(1_000));

    await once(stranger, 'close');
    assert.equal(one.rings, 0);
  });
});

/** Listens as a session would, introduces itself, and reads only when told to. */
async function fakePeer(name: string): Promise<{ received: Promise<string>; resume(): void }> {
  let resume = (): void => undefined;
  const server = createServer({ pauseOnConnect: true });
  const received = new Promise<string>((resolve) => {
    server.on('connection', (socket) => {
      let text = '';
      socket.write(`${name}\n`);
      socket.on('data', (chunk) => (text += String(chunk)));
      socket.on('close', () => resolve(text));
      resume = () => socket.resume();
    });
  });
  await listen(name, server);
  return { received, resume: () => resume() };
}

async function listen(name: string, server: Server): Promise<void> {
  servers.push(server);
  mkdirSync(`${path}.bell`, { recursive: true, mode: 0o700 });
  server.listen(join(`${path}.bell`, name));
  await once(server, 'listening');
}

function openToAll(name: string): void {
  mkdirSync(join(directory, name));
  chmodSync(join(directory, name), 0o777);
}

/** Timers fire in the next turn. */
const hurriedClock: Clock = {
  ...systemClock,
  setTimer: (run): Timer => systemClock.setTimer(run, 0),
};
