/**
 * A payments service: HTTP requests in, rows and messages together, payments booked in order per
 * customer and never before their customer. All of it in one process, or each role in its own:
 *
 *     npm start                          all roles, on two SQLite files in data/
 *     npm run app | relay | worker       one role each, as many processes as you like
 *     npm start -- --traffic 5000        traffic, kills, and a ledger check
 */
import { readCommand } from './command.ts';
import { orExplain } from '../engine.ts';
import { serve } from './serve.ts';
import { readSettings } from './settings.ts';
import { runTraffic } from './traffic/run.ts';

const { roles, traffic } = readCommand(process.argv.slice(2));
if (traffic === null) await orExplain(serve(roles, readSettings()));
else process.exit(await runTraffic(traffic));

// payments listens on http://localhost:…, its rows are in ….db, its messages in ….db.
// Try a payment before its customer:
// …
// Payment p-… waits for customer c-… to be registered
// Published messages: [p-…]
// Handling [customer.registered] - Payload: {…
// Booked p-… of customer c-…: 10.00…
// stopped
