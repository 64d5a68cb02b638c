/** An engine that fails for good ends the bus: said once, and nothing waits for it any more. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  createBus,
  type HandlerContext,
  MaloteError,
  message,
  type TransitionEvent,
  transitionChannel,
} from 'malote';
import { sqlite } from 'malote/sqlite';
import { onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { codeOf } from './support.ts';

const type = message<{ n: number }>('failing');

test('a damaged file is told once, stops the handlers, and refuses everything but the stop', async () => {
  const path = join(temporaryFolder(), 'damaged.db');
  const events = listen();
  const logged: object[] = [];
  const line = (fields: object): void => void logged.push(fields);
  const logger = { debug: () => {}, info: () => {}, warn: line, error: line };
  const bus = createBus({ engine: sqlite(path), handleSignals: false, logger });
  const contexts: HandlerContext[] = [];
  const aborted: unknown[] = [];
  const bothRun = new Promise<void>((resolve) => {
    bus.consume(type, { name: 's', timeout: '1h' }, async (_, context) => {
      contexts.push(context);
      if (contexts.length === 2) resolve();
      await new Promise<void>((obey) => {
        context.signal.addEventListener('abort', () => obey());
      });
      aborted.push(context.signal.reason);
    });
  });
  await bus.start();
  for (const n of [1, 2]) await bus.publish(type, { n });
  await bothRun;

  damage(path);
  const codes = [
    await codeOf(bus.publish(type, { n: 3 })),
    await codeOf(bus.publish(type, { n: 4 })),
    await codeOf(bus.dead.list()),
    await codeOf(bus.subscriptions.list()),
    await codeOf(bus.fulfil()),
    await codeOf(bus.unsubscribe('s')),
    await codeOf(bus.start()),
  ];
  await bus.stop();

  const { length } = codes;
  assert.deepEqual(codes.toSpliced(4, 1), Array<string>(length - 1).fill('ENGINE_CORRUPT'));
  assert.equal(codes[4], 'nothing rejected', 'it asked for nothing');
  assert.equal(aborted.length, 2);
  for (const reason of aborted) {
    assert.ok(reason instanceof MaloteError);
    assert.equal(reason.code, 'ENGINE_CORRUPT');
  }
  const wrong = events.filter(({ kind }) => !['published', 'started', 'refused'].includes(kind));
  const kinds = wrong.map(({ kind }) => kind);
  assert.deepEqual(kinds, ['started-bus', 'engine-failed', 'stopped-bus']);
  assert.equal(logged.length, 1);
});

test('what waits for room, and acks that are on their way, end with it', async () => {
  const path = join(temporaryFolder(), 'damaged.db');
  const bus = createBus({ engine: sqlite(path), handleSignals: false, logger: false });
  let finish = (): void => {};
  const started = new Promise<void>((running) => {
    const opened = new Promise<void>((resolve) => {
      finish = resolve;
    });
    bus.consume(type, { name: 's', maxDepth: 1 }, async (_, context) => {
      await context.publish(message<{ n: number }>('follow-up'), { n: 1 });
      running();
      await opened;
    });
  });
  await bus.start();
  await bus.publish(type, { n: 1 });
  await started;
  const waiting = codeOf(bus.publish(type, { n: 2 }, { wait: '1h' }));
  await bus.subscriptions.list();

  damage(path);
  finish();

  assert.equal(await waiting, 'ENGINE_CORRUPT');
  await bus.stop();
});

test('a process whose engine has failed ends by itself, without a stop', () => {
  const program = `
    import { createBus, message } from 'malote';
    import { sqlite } from 'malote/sqlite';
    import { DatabaseSync } from 'node:sqlite';
    const [path] = process.argv.slice(1);
    const bus = createBus({ engine: sqlite(path) });
    const type = message('t');
    let runs = 0;
    const running = new Promise((resolve) => {
      bus.consume(type, { name: 's', timeout: '10m' }, () => {
        runs += 1;
        resolve();
        return new Promise(() => {});
      });
    });
    await bus.start();
    await bus.publish(type, {});
    await running;
    const db = new DatabaseSync(path);
    db.enableDefensive(false);
    ${damages.map((sql) => `db.exec(${JSON.stringify(sql)});`).join('\n')}
    db.close();
    console.log(await bus.publish(type, {}).catch((error) => error.code));
  `;
  const path = join(temporaryFolder(), 'damaged.db');
  const given = ['--conditions=malote-source', '--input-type=module', '-e', program, path];
  const { stdout, stderr, status } = spawnSync(process.execPath, given, {
    encoding: 'utf8',
    timeout: 20_000,
  });

  assert.deepEqual([stdout.trim(), status], ['ENGINE_CORRUPT', 0], stderr);
  assert.equal(stderr.trim().split('\n').length, 1, stderr);
});

const damages = [
  'pragma writable_schema = on',
  `update sqlite_schema set rootpage = 2000000000 where name = 'ml_lane'`,
  `update sqlite_schema set rootpage = 2000000001 where name = 'ml_message'`,
  'pragma schema_version = 1000',
];

function damage(path: string): void {
  const db = new DatabaseSync(path);
  db.enableDefensive(false);
  for (const sql of damages) db.exec(sql);
  db.close();
}

function listen(): readonly TransitionEvent[] {
  const events: TransitionEvent[] = [];
  const hear = (event: unknown): void => void events.push(event as TransitionEvent);
  subscribe(transitionChannel, hear);
  onTestFinished(() => void unsubscribe(transitionChannel, hear));
  return events;
}
