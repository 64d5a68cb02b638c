/** On SQLite, others have what a killed process held long before its lease is over. */
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openStage } from './stage.ts';
import { takeoverCases } from './takeover-cases.ts';

takeoverCases((options) => openStage(temporaryFolder(), options));
