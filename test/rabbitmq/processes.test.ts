/**
 * Processes that share a RabbitMQ server: killed at work, by their own messages, put to sleep, and
 * asked to stop.
 */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { rabbitmqAt } from '../crash/arena.ts';
import { poisonCases } from '../crash/poison-cases.ts';
import { looseCases, sharingCases } from '../crash/sharing-cases.ts';
import { acts, freeze, go, labelsOf, openStage, type OpenStage } from '../crash/stage.ts';
import { stoppingCases } from '../crash/stopping-cases.ts';
import { takeoverCases } from '../crash/takeover-cases.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { overRabbitmq } from './over-rabbitmq.ts';

const held = ['ordered 1', 'ordered 2', 'loose 1', 'loose 2'];

overRabbitmq((server) => {
  let made = 0;
  const open: OpenStage = (options) => {
    const { engine } = rabbitmqAt(server().url, `stage-${(made += 1)}`);
    return openStage(temporaryFolder(), { ...options, engine });
  };
  poisonCases(open, { uncounted: 1 });
  takeoverCases(open);
  sharingCases(open);
  looseCases(open);
  stoppingCases(open);
  sleeperCase(open);
});

/** The server gives up a silent connection after some heartbeats; here each is a second. */
function sleeperCase(open: OpenStage): void {
  test('a process that slept through its heartbeats is told, and only what it held is done twice', {
    timeout: 60_000,
  }, async () => {
    await using stage = await open();
    const sleeper = await stage.enter('sleeper', { lease: 300 });
    await stage.publish(
      ...acts('hold', 'a', ['ordered 1', 'behind 1']),
      ...acts('hold', 'b', ['ordered 2']),
      ...acts('hold', null, ['loose 1', 'loose 2']),
    );
    await sleeper.noticesOf('start', 4);
    freeze(sleeper);

    const heir = await stage.enter('heir', { concurrency: 8 });
    go(heir, [...held, 'behind 1']);
    await heir.noticesOf('end', 5);
    await stage.drained();
    sleeper.signal('SIGCONT');
    await sleeper.noticesOf('lease-lost', 4);
    go(sleeper, held);
    await sleeper.noticesOf('end', 4);
    sleeper.signal('SIGTERM');
    const { code } = await sleeper.ended;

    assert.equal(code, 0);
    assert.deepEqual(labelsOf(sleeper, 'lease-lost').toSorted(), held.toSorted());
    const { depth, dead } = await stage.drained();
    assert.deepEqual([depth, dead], [0, 0]);
    const ended = stage.ended();
    const twice = ended.filter((label, index) => ended.indexOf(label) < index);
    assert.deepEqual(twice.toSorted(), held.toSorted());
  });
}
