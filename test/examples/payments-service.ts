/** The payments example as its tests use it: started on a free port, spoken to over HTTP. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { type Program, runExample } from './program.ts';

export interface Service {
  readonly url: string;
  readonly program: Program;
  post(path: string, body: unknown): Promise<Response>;
  /** Posts and asserts the status. */
  accepted(path: string, body: unknown): Promise<unknown>;
  payment(id: string): Promise<PaymentAnswer>;
  /** Asks until the payment has this status. */
  until(id: string, status: string): Promise<PaymentAnswer>;
}

export interface PaymentAnswer {
  readonly id: string;
  readonly status: string;
  readonly reason?: string;
}

export async function startService(
  folder: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Service> {
  const program = runExample('payments/main.ts', {
    folder,
    environment: { PORT: '0', MALOTE_ENGINE: 'sqlite:payments.db', ...environment },
  });
  const [, url = ''] = await program.line(/^payments listens on (\S+), /m);
  const service: Service = {
    url,
    program,
    post: (path, body) =>
      fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async accepted(path, body) {
      const response = await service.post(path, body);
      const answer: unknown = await response.json();
      assert.equal(response.status, path === '/payments' ? 202 : 201, JSON.stringify(answer));
      return answer;
    },
    async payment(id) {
      const response = await fetch(`${url}/payments/${id}`);
      assert.equal(response.status, 200);
      return (await response.json()) as PaymentAnswer;
    },
    async until(id, status) {
      for (;;) {
        const answer = await service.payment(id);
        if (answer.status === status) return answer;
      }
    },
  };
  return service;
}

export function paymentOf(id: string, customerId: string): Record<string, string> {
  return { id, customerId, amount: '10.00', currency: 'USD' };
}

export function customerOf(id: string): Record<string, string> {
  return { id, email: `${id}@example.com`, name: `Customer ${id}` };
}

export interface Ledger {
  /** Payment ids per customer, as they were accepted and as they were booked. */
  readonly accepted: ReadonlyMap<string, readonly string[]>;
  readonly booked: ReadonlyMap<string, readonly string[]>;
}

export function readLedger(file: string): Ledger {
  const database = new DatabaseSync(file, { readOnly: true });
  const read = (sql: string): Map<string, string[]> => {
    const ids = new Map<string, string[]>();
    for (const row of database.prepare(sql).iterate()) {
      const customerId = String(row['customerId']);
      ids.set(customerId, [...(ids.get(customerId) ?? []), String(row['id'])]);
    }
    return ids;
  };
  try {
    return {
      accepted: read('select id, customerId from payments order by sequence'),
      booked: read('select paymentId as id, customerId from bookings order by sequence'),
    };
  } finally {
    database.close();
  }
}
