/** Entry of a contestant's process: does what it was told to, and says what came of it. */

import type { Answer, Said, Spec } from './scenario.ts';
import { Absent } from './scenario.ts';
import { cold } from './programs/cold.ts';
import { fact } from './programs/fact.ts';
import { flow } from './programs/flow.ts';
import { hits } from './programs/hits.ts';
import { idle, idleTurns } from './programs/idle.ts';
import { outbox } from './programs/outbox.ts';
import { pair } from './programs/pair.ts';
import { payments } from './programs/payments.ts';
import { profileTo } from './programs/profiler.ts';
import { rebalance } from './programs/rebalance.ts';
import { recovery } from './programs/recovery.ts';
import { release } from './programs/release.ts';
import { soak } from './programs/soak.ts';
import { start } from './programs/start.ts';
import { standing } from './programs/standing.ts';
import { takeover } from './programs/takeover.ts';
import { turns } from './programs/turns.ts';

async function run(spec: Spec): Promise<Answer> {
  switch (spec.program) {
    case 'flow':
      return await flow(spec);
    case 'turns':
      return await turns(spec);
    case 'pair':
      return await pair(spec);
    case 'idle':
      return await idle(spec);
    case 'idle-turns':
      return await idleTurns(spec);
    case 'fact':
      return await fact(spec);
    case 'payments':
      return await payments(spec);
    case 'start':
      return await start(spec);
    case 'hits':
      return await hits(spec);
    case 'cold':
      return await cold(spec);
    case 'outbox':
      return await outbox(spec);
    case 'soak':
      return await soak(spec);
    case 'recovery':
      return await recovery(spec);
    case 'standing':
      return await standing(spec);
    case 'rebalance':
      return await rebalance(spec);
    case 'release':
      return await release(spec);
    case 'takeover':
      return await takeover(spec);
  }
}

async function said(spec: Spec): Promise<Said> {
  try {
    return { kind: 'answer', ...(await run(spec)) };
  } catch (error) {
    if (error instanceof Absent) return { kind: 'absent', reason: error.message };
    console.error(error);
    const [reason = ''] = String(error).split('\n');
    return { kind: 'wrong', reason };
  }
}

profileTo(process.argv[3]);
const last = await said(JSON.parse(process.argv[2]!) as Spec);
// Whatever a broken contestant left running ends here.
process.send?.(last, () => process.exit(0));
