/** Entry of the second process of a contestant. */

import { coldPeer } from './programs/cold.ts';
import { idlePeer } from './programs/idle.ts';
import { pairPeer } from './programs/pair.ts';
import type { PeerSpec } from './programs/peer.ts';
import { rebalancePeer } from './programs/rebalance.ts';
import { releasePeer } from './programs/release.ts';
import { standingPeer } from './programs/standing.ts';
import { takeoverPeer } from './programs/takeover.ts';

const spec = JSON.parse(process.argv[2]!) as PeerSpec;
switch (spec.program) {
  case 'idle':
    await idlePeer(spec.settings, spec.place);
    break;
  case 'pair':
    await pairPeer(spec.settings, spec.place);
    break;
  case 'takeover':
    await takeoverPeer(spec.settings, spec.place);
    break;
  case 'standing':
    await standingPeer(spec.settings, spec.place);
    break;
  case 'rebalance':
    await rebalancePeer(spec.settings, spec.place);
    break;
  case 'release':
    await releasePeer(spec.settings, spec.place);
    break;
  case 'cold':
    await coldPeer(spec.settings, spec.place);
}
