/** What `malote dead show` leaves out of a stack. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { framesOfApplication } from './frames.ts';

const own = 'at book (file:///srv/app/ledger.ts:9:1)';
const library = 'at query (file:///srv/app/node_modules/pg/client.js:1:1)';
const malote = 'at run (file:///srv/app/node_modules/malote/dist/runtime/attempt.js:144:24)';
const windows = 'at run (C:\\app\\node_modules\\malote\\dist\\runtime\\attempt.js:144:24)';
const node = 'at process.processTicksAndRejections (node:internal/process/task_queues:105:5)';

test('a stack ends with the last frame of the application', () => {
  assert.deepEqual(framesOfApplication([library, own, malote, node].join('\n')), [library, own]);
  assert.deepEqual(framesOfApplication([own, windows].join('\n')), [own]);
  assert.deepEqual(framesOfApplication([node, own].join('\n')), [node, own]);
});

test('a stack without the application stays whole', () => {
  assert.deepEqual(framesOfApplication([malote, node].join('\n')), [malote, node]);
  assert.deepEqual(framesOfApplication(''), []);
});
