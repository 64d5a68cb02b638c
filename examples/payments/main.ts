/**
 * A payments service on one SQLite file: HTTP requests in, messages and rows together, payments
 * booked in order per customer and never before their customer. Run it several times, on several
 * ports: the processes share the file and the work.
 *
 *     npm start        PORT=3001 npm start        MALOTE_ENGINE=sqlite:other.db npm start
 */
import { randomUUID } from 'node:crypto';
import { createBus } from 'malote';
import { sqlite } from 'malote/sqlite';
import { sqliteFile } from '../engine.ts';
import { createApp } from './app.ts';
import { openDatabase } from './database.ts';
import { type Fetch, type Listening, listen } from './listen.ts';
import { answer, Problem } from './problem.ts';
import { consume } from './worker.ts';

// Listens first: where the port cannot be had, no file and no connection is left behind.
let fetch: Fetch = () => answer(new Problem(503, 'the service is starting'));
const server = await listenOrExplain((request) => fetch(request));
const path = sqliteFile(process.env['MALOTE_ENGINE'] ?? 'sqlite:data/payments.db');
const bus = createBus({ engine: sqlite(path), handleSignals: false });
// The first look connects: malote makes the file, readable by its owner only.
await bus.subscriptions.list();
const database = openDatabase(path);
let stopping = false;

consume(bus, database);
await bus.start();
({ fetch } = createApp({ bus, database, isStopping: () => stopping }));
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void stop());
welcome(`http://localhost:${server.port}`);

/** Refuses requests, finishes what runs, then closes; a second signal ends the process at once. */
async function stop(): Promise<void> {
  stopping = true;
  await bus.stop();
  await server.close();
  database.close();
  console.log('stopped');
}

async function listenOrExplain(answering: Fetch): Promise<Listening> {
  const text = process.env['PORT'] ?? '3000';
  try {
    return await listen(answering, /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${code})`;
    console.error(`port ${text} ${problem}; choose another, as in: PORT=3001 npm start`);
    process.exit(1);
  }
}

/** Commands with ids of their own, so that they show the same on every start. */
function welcome(url: string): void {
  const id = randomUUID().slice(0, 4);
  const payment = { id: `p-${id}`, customerId: `c-${id}`, amount: '10.00', currency: 'USD' };
  const registration = { id: `c-${id}`, email: 'ana@example.com', name: 'Ana' };
  const post = (to: string, body: object): string =>
    `curl -X POST -H 'Content-Type: application/json' -d '${JSON.stringify(body)}' ${url}/${to}`;
  console.log(`payments listens on ${url}, its data is in ${path}.
Try a payment before its customer:

  ${post('payments', payment)}
  curl ${url}/payments/${payment.id}        # waiting

  ${post('customers', registration)}
  curl ${url}/payments/${payment.id}        # booked
`);
}

// payments listens on http://localhost:…, its data is in ….db.
// Try a payment before its customer:
// …
// Payment p-… waits for customer c-… to be registered
// Handling [customer.registered] - Payload: {…,"email":"ana@example.com","name":"Ana"}
// Booked p-… of customer c-…: 10.00 USD
// stopped
