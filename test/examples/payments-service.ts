/** The payments example as its tests use it: started on a free port, spoken to over HTTP. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import type { Materialized } from '../../examples/payments/totals.ts';
import { type Program, runExample } from './program.ts';

export interface Service {
  readonly url: string;
  readonly program: Program;
  post(path: string, body: unknown): Promise<Response>;
  /** Posts and asserts the status. */
  accepted(path: string, body: unknown): Promise<unknown>;
  payment(id: string): Promise<PaymentAnswer>;
  materialized(): Promise<Materialized>;
  /** Asks until the payment has this status. */
  until(id: string, status: string): Promise<PaymentAnswer>;
}

export interface PaymentAnswer {
  readonly id: string;
  readonly status: string;
  readonly reason?: string;
  readonly amountEur?: string;
}

export async function startService(
  folder: string,
  environment: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): Promise<Service> {
  const program = runExample('payments/main.ts', {
    folder,
    args,
    environment: { PORT: '0', ...inFiles('payments'), ...environment },
  });
  const [, url = ''] = await program.line(/^payments listens on (\S+), /m);
  return serviceAt(url, program);
}

export function serviceAt(url: string, program: Program): Service {
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
    async materialized() {
      return (await (await fetch(`${url}/materialized`)).json()) as Materialized;
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

/** A process without a door, once it is at work. */
export async function startRole(
  role: 'relay' | 'worker',
  folder: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const program = runExample('payments/main.ts', {
    folder,
    args: [role],
    environment: { ...inFiles('payments'), ...environment },
  });
  await program.line(new RegExp(`^${role} at work$`, 'm'));
  return program;
}

/** The stand-in for the rates service as a process of its own; answers its address. */
export async function startRates(folder: string, environment = {}): Promise<string> {
  const given = { folder, environment: { RATES_PORT: '0', ...environment } };
  const [, url = ''] = await runExample('payments/rates.ts', given).line(ratesListen);
  return url;
}

export const ratesListen = /^rates listens on (\S+)$/m;

/** Rows in `name.db`, messages in another file beside it. */
export function inFiles(name: string): Readonly<Record<string, string>> {
  return { MALOTE_ENGINE: `sqlite:${name}-messages.db`, MALOTE_STORE: `sqlite:${name}.db` };
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
