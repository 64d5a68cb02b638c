/** A relay of a box campaign: a bus without consumers. */
import { type BoxSetup, boxBus } from './box-load.ts';
import { dieWithParent, setupOf, tellParent, untilFree } from './child.ts';

const bus = boxBus(setupOf() as BoxSetup, true);
dieWithParent();
await untilFree(
  () => bus.start(),
  () => {},
);
tellParent({ kind: 'up' });
