/** What of a batch reaches the engine, by what became of the messages before. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { MaloteError } from '../errors.ts';
import { forwardInTurn, forwardOne, type Stopped } from './forward.ts';
import type { Outgoing, PublishOutcome } from './transport.ts';

const error = new MaloteError('MESSAGE_TOO_LARGE', 'too much');
const outcomes: readonly (readonly [PublishOutcome, 'goes on' | 'stops'])[] = [
  [{ kind: 'stored' }, 'goes on'],
  [{ kind: 'stored', kept: true }, 'goes on'],
  [{ kind: 'duplicate', id: 'first' }, 'goes on'],
  [{ kind: 'full', subscription: 'orders', topics: ['order'] }, 'stops'],
  [{ kind: 'refused', error }, 'stops'],
  [{ kind: 'indeterminate', error }, 'stops'],
];

function outgoing(id: string, key: string | null): Outgoing {
  const plain = { body: '{}', headers: null, delayMs: 0, dedupe: [], facts: [] };
  return { id, key, topic: 'order', ...plain };
}

test.each(outcomes)('behind %j its key %s', (outcome, expected) => {
  const stopped: Stopped = new Map();
  const reached: string[] = [];
  const batch = [
    outgoing('head', 'k'),
    outgoing('behind', 'k'),
    outgoing('other', 'l'),
    outgoing('loose', null),
    outgoing('last', 'k'),
  ];

  const answers = batch.map((one) =>
    forwardOne(stopped, one, ({ id }) => {
      reached.push(id);
      return id === 'head' ? outcome : { kind: 'stored' };
    }),
  );

  const goesOn = expected === 'goes on';
  assert.deepEqual(
    reached,
    batch.map(({ id }) => id).filter((id) => goesOn || (id !== 'behind' && id !== 'last')),
  );
  const behind = goesOn ? { kind: 'stored' } : outcome;
  assert.deepEqual(answers, [outcome, behind, { kind: 'stored' }, { kind: 'stored' }, behind]);
});

test('what has no key stops nothing', () => {
  const stopped: Stopped = new Map();
  const answers = ['a', 'b'].map((id) =>
    forwardOne(stopped, outgoing(id, null), () =>
      id === 'a' ? { kind: 'refused', error } : { kind: 'stored' },
    ),
  );

  assert.deepEqual(
    answers.map(({ kind }) => kind),
    ['refused', 'stored'],
  );
});

test.each(outcomes)('answered later: behind %j its key %s', async (outcome, expected) => {
  const batch = [
    outgoing('head', 'k'),
    outgoing('behind', 'k'),
    outgoing('other', 'l'),
    outgoing('loose', null),
    outgoing('last', 'k'),
    outgoing('looser', null),
  ];
  const underWay = new Map<string, (outcome: PublishOutcome) => void>();
  const answer = (...ids: readonly string[]): void => {
    for (const id of ids) {
      const answered = underWay.get(id)!;
      underWay.delete(id);
      answered(id === 'head' ? outcome : { kind: 'stored' });
    }
  };

  const forwarding = forwardInTurn(batch, ({ id }, answered) => void underWay.set(id, answered));

  assert.deepEqual([...underWay.keys()], ['head', 'other', 'loose', 'looser']);
  const goesOn = expected === 'goes on';
  answer('head');
  assert.equal(underWay.has('behind'), goesOn);
  if (goesOn) answer('behind', 'last');
  answer('loose', 'looser', 'other');
  const behind = goesOn ? { kind: 'stored' } : outcome;
  const stored = { kind: 'stored' };
  assert.deepEqual(await forwarding, [outcome, behind, stored, stored, behind, stored]);
  assert.equal(underWay.size, 0);
});

test('a batch of nothing is answered', async () => {
  assert.deepEqual(await forwardInTurn([], () => assert.fail('nothing is published')), []);
});
