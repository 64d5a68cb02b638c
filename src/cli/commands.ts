/** Every command there is, in the order help shows them. */

import type { Command } from './command.ts';
import { deadList, deadShow } from './commands/dead.ts';
import { doctor } from './commands/doctor.ts';
import { messagesShow } from './commands/messages.ts';
import { outbox } from './commands/outbox.ts';
import { publish } from './commands/publish.ts';
import { deadRedrive } from './commands/redrive.ts';
import { subscriptions } from './commands/subscriptions.ts';
import { topics } from './commands/topics.ts';
import { waiting } from './commands/waiting.ts';

export const commands: readonly Command[] = [
  publish,
  topics,
  subscriptions,
  messagesShow,
  waiting,
  deadList,
  deadShow,
  deadRedrive,
  outbox,
  doctor,
];
