/** Examples whose RabbitMQ server is away say so in one sentence, and end with 1. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { runExample } from './program.ts';

const folder = temporaryFolder();
/** Nobody listens there. */
const environment = { MALOTE_ENGINE: 'amqp://127.0.0.1:1' };

test.each([
  { path: 'task-queue/main.ts', args: [] },
  { path: 'before-customers/main.ts', args: ['consumer'] },
  { path: 'before-customers/main.ts', args: ['p', '5'] },
  { path: 'before-customers/main.ts', args: ['c', '5'] },
])('$path $args', async ({ path, args }) => {
  const program = runExample(path, { folder, args, environment });

  assert.equal(await program.ended, 1, program.output);
  assert.match(program.output, /^[^\n]*127\.0\.0\.1:1[^\n]*\n$/);
});
