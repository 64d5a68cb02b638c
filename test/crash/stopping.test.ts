/** On SQLite, a process that is asked to stop gives back what it holds. */
import { temporaryFolder } from '../support/temporary-folder.ts';
import { openStage } from './stage.ts';
import { stoppingCases } from './stopping-cases.ts';

stoppingCases((options) => openStage(temporaryFolder(), options));
