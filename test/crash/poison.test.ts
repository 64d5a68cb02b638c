/** On SQLite, what kills its process ends as a dead letter. */
import { temporaryFolder } from '../support/temporary-folder.ts';
import { poisonCases } from './poison-cases.ts';
import { openStage } from './stage.ts';

poisonCases((options) => openStage(temporaryFolder(), options), { uncounted: 0 });
