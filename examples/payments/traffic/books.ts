/** Reads what became of a run: rows from the store, dead letters from the engine. */
import { DatabaseSync } from 'node:sqlite';
import type { Bus, DeadLetter, Page } from 'malote';
import { crm, ledger } from '../status.ts';
import type { Books, Entry } from './check.ts';

export interface BooksOptions {
  readonly bus: Bus;
  readonly file: string;
  /** What every id of the run begins with. */
  readonly run: string;
}

export async function readBooks(options: BooksOptions): Promise<Omit<Books, 'accepted'>> {
  const { file, run } = options;
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const read = (sql: string): readonly Entry[] => db.prepare(sql).all(`${run}-*`) as never;
    return {
      payments: read('select id, customerId from payments where id glob ? order by sequence'),
      bookings: read(
        'select paymentId as id, customerId from bookings where paymentId glob ? order by sequence',
      ),
      dead: await deadOf(options),
    };
  } finally {
    db.close();
  }
}

async function deadOf({ bus, run }: BooksOptions): Promise<Books['dead']> {
  const found: { id: string; reason: string }[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<DeadLetter> = await bus.dead.list({
      subscription: ledger,
      limit: 500,
      cursor,
    });
    found.push(...page.items.filter(({ id }) => id.startsWith(`${run}-`)));
    cursor = page.next;
  } while (cursor !== null);
  return found;
}

/**
 * Messages of the service that are neither done nor dead. The outbox first: messages move on, not
 * back. What else the engine holds is for others.
 */
export async function countLeft(bus: Bus): Promise<number> {
  const { waiting } = await bus.outbox.stats();
  const all = await bus.subscriptions.list();
  const its = all.filter(({ name }) => name === crm || name === ledger);
  return its.reduce((sum, { stats }) => sum + stats.depth, waiting);
}
