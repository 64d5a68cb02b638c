/** Entry of the second process of a contestant. */

import { idlePeer } from './programs/idle.ts';
import { pairPeer } from './programs/pair.ts';
import type { PeerSpec } from './programs/peer.ts';

const { program, settings, file } = JSON.parse(process.argv[2]!) as PeerSpec;
await (program === 'idle' ? idlePeer(settings, file) : pairPeer(settings, file));
