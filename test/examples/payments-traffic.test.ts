/** Traffic over real processes, with a worker and a relay killed, and the verdict at the end. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { beforeEach, test } from 'vitest';
import { openDatabase } from '../../examples/payments/database.ts';
import { draw, pictureFile, trafficArguments } from '../../scripts/picture.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Program, runExample } from './program.ts';

const parent = temporaryFolder();
/** Six processes on a crowded machine, and payments that wait 5 s for nobody. */
const timeout = 120_000;
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(parent, 'test-'));
});

function run(...args: readonly string[]): Program {
  return runExample('payments/main.ts', { folder, args });
}

test('the run in the README ends well, and looks as the picture shows it', {
  timeout,
}, async () => {
  const environment = { FORCE_COLOR: '1' };
  const program = runExample('payments/main.ts', { folder, args: trafficArguments, environment });

  assert.equal(await program.ended, 0, program.output);
  // What a clock or a crowded machine decides is left out.
  const stable = (picture: string): string =>
    picture
      .replace(/^.*<rect.*\n/m, '')
      .replaceAll(/^<svg.*\n/gm, '')
      .replaceAll(/^.*(booked|gave-up|dependency|rates   |log in).*$/gm, (line) =>
        line.replaceAll(/ *[\d,.]+/g, ' #'),
      );
  const shown = stable(readFileSync(pictureFile, 'utf8'));
  assert.equal(stable(draw(program.output)), shown, 'renew it by: npm run picture');
  assert.match(shown, / {2}5,000<.* payments of \d+ customers/);
});

test('everything that was accepted is booked once or dead with a reason', { timeout }, async () => {
  const program = run('--traffic', '600', '--seed', '3', '--exit');

  assert.equal(await program.ended, 0, program.output);
  const { output } = program;
  assert.match(output, /^ {2}sent {8}600 {2}payments of \d+ customers$/m);
  assert.match(output, /^ {2}killed {8}2 {2}processes by SIGKILL, .*: worker-1, relay-1$/m);
  for (const reason of ['gave-up', 'dependency-timeout', 'attempts-exhausted']) {
    assert.match(output, new RegExp(`  ${reason}: `), output);
  }
  const [, booked, dead] = /^✔ 600 accepted = (\d+) booked \+ (\d+) dead/m.exec(output) ?? [];
  assert.equal(Number(booked) + Number(dead), 600);
  const logs = readdirSync(join(folder, 'data/traffic')).filter((name) => name.endsWith('.log'));
  const names = ['app', 'rates', 'relay-1', 'relay-2', 'worker-1', 'worker-2'];
  assert.deepEqual(
    logs.toSorted(),
    names.map((name) => `${name}.log`),
  );
});

test('a store that drops a row is found out: 1, and the payment by name', { timeout }, async () => {
  const data = join(folder, 'data/traffic');
  mkdirSync(data, { recursive: true });
  const file = join(data, 'payments.db');
  openDatabase(file).close();
  const store = new DatabaseSync(file);
  store.exec(`
    create trigger dropping after insert on bookings when new.paymentId like '%-p-42' begin
      delete from bookings where sequence = new.sequence;
    end`);
  store.close();

  const program = run('--traffic', '60', '--exit');

  assert.equal(await program.ended, 1, program.output);
  assert.match(program.output, /^✘ 1 lost: t-\w+-p-42$/m);
  assert.doesNotMatch(program.output, /✔/);
});

test('Ctrl+C ends all of it, and says that nothing was checked', { timeout }, async () => {
  const program = run('--traffic', '100000');
  await program.line(/^malote payments /m);
  program.kill('SIGINT');

  assert.equal(await program.ended, 130, program.output);
  assert.match(program.output, /^ended before anything was checked$/m);
});

test('without --exit the service goes on', { timeout }, async () => {
  const program = run('--traffic', '20');
  await program.line(/^ {2}The service goes on; Ctrl\+C ends it\.$/m);

  const log = readFileSync(join(folder, 'data/traffic/app.log'), 'utf8');
  const [, url] = /^payments listens on (\S+), /m.exec(log)!;
  assert.equal((await fetch(`${url}/readyz`)).status, 200);
  await program.interrupt();
  await assert.rejects(fetch(`${url}/readyz`));
});
