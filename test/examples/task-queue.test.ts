/** The task queue: on each engine the same tasks end the same way, and Ctrl+C lets them finish. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { assertPrintsItsComment, runExample } from './program.ts';

const folder = temporaryFolder();
const path = 'task-queue/main.ts';

const engines = [
  { name: 'memory', url: () => 'memory' },
  { name: 'sqlite', url: (file: string) => `sqlite:${join(folder, file)}` },
];

describe.each(engines)('on $name', ({ url }) => {
  test('prints what its comment says', async () => {
    const environment = { MALOTE_ENGINE: url('comment.db') };
    const program = runExample(path, { folder, environment });

    assert.equal(await program.ended, 0, program.output);
    assertPrintsItsComment(path, program.output);
  });

  test('the seed alone decides which tasks die', async () => {
    const environment = { MALOTE_ENGINE: url('seed.db'), WORKERS: '8', TASKS: '60', SEED: '11' };
    const dead: string[][] = [];
    for (let run = 1; run <= 2; run++) {
      const program = runExample(path, { folder, environment });
      assert.equal(await program.ended, 0, program.output);
      dead.push(deadTasks(program.output));
    }

    assert.ok(dead[0]!.length > 0, 'none died');
    assert.deepEqual(dead[0], dead[1]);
  });

  test('Ctrl+C ends a run whose publisher waits for room, after the running tasks', async () => {
    const environment = { MALOTE_ENGINE: url('interrupt.db'), TASKS: '100000' };
    const program = runExample(path, { folder, environment });
    await program.line(/^task 9: done/m);

    await program.interrupt();

    const [, done] = await program.line(/^tasks 100000, done (\d+), dead \d+$/m);
    const printed = [...program.output.matchAll(/^task \d+: done/gm)].length;
    assert.equal(Number(done), printed, program.output);
    assert.ok(printed >= 1 && printed < 1_000, `${printed} done`);
  });
});

test('a dead task was tried MAX_ATTEMPTS times', async () => {
  const program = runExample(path, { folder, environment: { MAX_ATTEMPTS: '1', TASKS: '20' } });

  assert.equal(await program.ended, 0, program.output);
  const dead = deadTasks(program.output);
  assert.ok(dead.length > 2, program.output);
  assert.ok(program.output.includes(`tasks 20, done ${20 - dead.length}, dead ${dead.length}`));
  assert.doesNotMatch(program.output, /again in/);
});

test('a setting out of range is refused by name', async () => {
  const program = runExample(path, { folder, environment: { WORKERS: 'three' } });

  assert.equal(await program.ended, 2);
  assert.match(program.output, /^WORKERS must be a whole number from 1 to 1000, got "three"$/m);
});

function deadTasks(output: string): string[] {
  return [...output.matchAll(/^dead: task (\d+), attempts-exhausted/gm)]
    .map((match) => match[1]!)
    .toSorted();
}
