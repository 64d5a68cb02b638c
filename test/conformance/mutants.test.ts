/**
 * A case is believed once breaking what it guards makes it fail: every case of the suite fails on
 * an engine with a planted fault, and every planted fault is noticed.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';
import { conformance, runCase, type ConformanceCase, type EngineUnderTest } from 'malote/testing';
import { describe, test } from 'vitest';
import { begin } from './caller.ts';
import { coordinatingMutants } from './mutants/coordinating.ts';
import { deliveringMutants } from './mutants/delivering.ts';
import { effectingMutants } from './mutants/effecting.ts';
import { joiningMutants } from './mutants/joining.ts';
import { livingMutants } from './mutants/living.ts';
import { lookingMutants } from './mutants/looking.ts';
import { planted, type Mutant } from './mutants/planting.ts';
import { publishingMutants } from './mutants/publishing.ts';
import { redrivingMutants } from './mutants/redriving.ts';
import { settlingMutants } from './mutants/settling.ts';
import { waitingMutants } from './mutants/waiting.ts';

const mutants: readonly Mutant[] = [
  ...publishingMutants,
  ...deliveringMutants,
  ...settlingMutants,
  ...redrivingMutants,
  ...waitingMutants,
  ...lookingMutants,
  ...livingMutants,
  ...joiningMutants,
  ...effectingMutants,
  ...coordinatingMutants,
];

/** Nothing here is behind a network: what has not come by then does not come. */
const patience = { virtualMs: 1_500, realMs: 0 };

describe('the suite notices when', () => {
  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s', async (_, mutant) => {
    for (const id of mutant.caughtBy) assert.ok(await fails(id, mutant), `${id} should fail`);
  });
});

test('the machinery of planting breaks nothing by itself', async () => {
  for (const { id } of conformance) {
    assert.ok(!(await fails(id, { name: 'sound', caughtBy: [] })), `${id} should pass`);
  }
});

test('every case of the suite has been seen to fail', () => {
  const believed = new Set(mutants.flatMap(({ caughtBy }) => caughtBy));
  assert.deepEqual(
    conformance.map(({ id }) => id).filter((id) => !believed.has(id)),
    [],
  );
});

async function fails(id: string, mutant: Mutant): Promise<boolean> {
  const one = caseOf(id);
  try {
    await runCase(one, subjectOf(one, mutant), { patience });
    return false;
  } catch {
    return true;
  }
}

function caseOf(id: string): ConformanceCase {
  const found = conformance.find((one) => one.id === id);
  assert.ok(found, `there is no case ${id}`);
  return found;
}

/** In memory where that will do; in a file for transactions of the caller and several processes. */
function subjectOf({ needs }: ConformanceCase, mutant: Mutant): EngineUnderTest {
  if (needs.transactions !== true && needs.processes !== 'many') {
    const shape = needs.delivery ?? 'lanes';
    const engine = planted(memory({ shape }), mutant);
    return { make: () => engine };
  }
  const folder = mkdtempSync(join(tmpdir(), 'malote-mutant-'));
  const file = join(folder, 'malote.db');
  const engine = planted(sqlite(file), mutant);
  return {
    make: () => engine,
    begin: () => begin(file),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
