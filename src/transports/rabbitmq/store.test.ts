/** What a queue cannot do is refused with what can be done instead. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { storeOf } from './store.ts';

const nobody = (): never => assert.fail('the server is not asked');
const store = storeOf({ by: nobody, presence: nobody, members: nobody });

test('who looks for one message is told of the lists', async () => {
  await assert.rejects(store.get('p-1'), {
    code: 'CAPABILITY_MISSING',
    message: /^messages\.get .*: list what waits or is dead, with bus\.waiting\.list\(\)/,
  });
});

test('who cancels one message is told what its handler can do', async () => {
  await assert.rejects(store.cancel('p-1'), {
    code: 'CAPABILITY_MISSING',
    message: /^messages\.cancel .*: let its handler look whether it is still wanted$/,
  });
});
