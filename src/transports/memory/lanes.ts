/** A connection in the `lanes` shape, as the contract sees it. */

import type { Store } from '../../transport/store.ts';
import type { Host, Queue } from '../../transport/transport.ts';
import type { Uncoordinated } from './coordination.ts';
import { mostRedriven, pageOfDead, redriven } from './dead-letters.ts';
import {
  forwardAll,
  markAll,
  publishAll,
  subscribeAll,
  unsubscribeOne,
  type Server,
} from './lanes-server.ts';
import { startSession, type LanesSession } from './lanes-session.ts';
import { settleAll } from './lanes-settle.ts';
import {
  cancelOne,
  getViews,
  pause,
  redriveOne,
  subscriptionViews,
  waitingPage,
} from './lanes-store.ts';

export function openLanes(server: Server, host: Host): Uncoordinated {
  const session = startSession(server, host);
  return {
    queue: queueOf(server, session),
    store: storeOf(server, session),
    join: null,
    effects: null,
    facts: null,
    close: async () => session.close(),
    abandon: () => session.abandon(),
  };
}

function queueOf(server: Server, session: LanesSession): Queue {
  return {
    subscribe: async (specifications) => subscribeAll(server, specifications, session.act()),
    unsubscribe: async (name) => unsubscribeOne(server, name, session.act()),
    publish: async (batch) => await nextTurn(publishAll(server, batch, session.act())),
    forward: async (batch) => await nextTurn(forwardAll(server, batch, session.act())),
    consume: session.consume,
    settle: async (batch) => settleAll(server, batch, session.act()),
    mark: async (changes) => markAll(server, changes, session.act()),
  };
}

/** Answers as a server would, in a later turn: a loop that publishes lets others run. */
function nextTurn<Answer>(answer: Answer): Promise<Answer> {
  return new Promise((resolve) => void setImmediate(resolve, answer));
}

/** Dead letters sent back in one turn of the event loop. */
const redriveChunk = 1_000;

function storeOf(server: Server, session: LanesSession): Store {
  return {
    get: async (id) => getViews(server, id, session.act()),
    cancel: async (id, subscription) => cancelOne(server, { id, subscription }, session.act()),
    async dead(query) {
      session.act();
      return pageOfDead(server.dead, query);
    },
    async redrive(which) {
      const records = redriven(server.dead, which);
      const most = mostRedriven(which);
      let count = 0;
      for (let start = 0; start < records.length; start += redriveChunk) {
        if (start > 0) await new Promise<void>((resolve) => void setImmediate(resolve));
        const step = session.act();
        for (const record of records.slice(start, start + redriveChunk)) {
          if (count < most) count += redriveOne(server, record, step);
        }
      }
      return count;
    },
    waiting: async (query) => waitingPage(server, query, session.act()),
    subscriptions: async () => subscriptionViews(server, session.act()),
    async setPaused(subscription, paused) {
      session.act();
      return pause(server, subscription, paused);
    },
  };
}
