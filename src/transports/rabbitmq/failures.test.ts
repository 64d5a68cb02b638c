/** What a server says, and the name under which it is told. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { callFailure, isGone } from './failures.ts';

function codeOf(said: string): string {
  return callFailure(new Error(said), 'preparing the connection').code;
}

test('a queue that the server has not started yet is no mismatch: it is tried again', () => {
  const queue = "queue 'malote.registry' in vhost '/'";
  const closed = 'Channel closed by server: 406 (PRECONDITION-FAILED) with message';

  assert.deepEqual(
    [
      `${closed} "PRECONDITION_FAILED - ${queue} does not have a replica on the local node"`,
      `Channel closed by server: 404 (NOT-FOUND) with message "${queue} is down or inaccessible"`,
      `${closed} "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for ${queue}"`,
    ].map(codeOf),
    ['ENGINE_UNREACHABLE', 'ENGINE_UNREACHABLE', 'ENGINE_MISMATCH'],
  );
});

test('a queue that the server has not started yet is not gone: nothing is put in its place', () => {
  const queue = "queue 'malote.pay.side.0' in vhost '/'";
  const said = [
    `Channel closed by server: 404 (NOT-FOUND) with message "NOT_FOUND - no ${queue}"`,
    `Channel closed by server: 404 (NOT-FOUND) with message "NOT_FOUND - home node 'a@b' of ` +
      `durable ${queue} is down or inaccessible"`,
  ];

  assert.deepEqual(
    said.map((sentence) => isGone(new Error(sentence))),
    [true, false],
  );
});
