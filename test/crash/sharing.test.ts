/** On SQLite, processes that consume one subscription share its messages. */
import { temporaryFolder } from '../support/temporary-folder.ts';
import { leftoverCases, looseCases, sharingCases } from './sharing-cases.ts';
import { openStage } from './stage.ts';

sharingCases((options) => openStage(temporaryFolder(), options));
looseCases((options) => openStage(temporaryFolder(), options));
leftoverCases((options) => openStage(temporaryFolder(), options));
