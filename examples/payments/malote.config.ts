/** What the command line looks at: `npm run -s malote -- waiting`, while the service runs. */
import { join } from 'node:path';
import { defineConfig } from 'malote/cli';
import { CustomerRegistered, PaymentRequested } from './messages.ts';
import { enginesOf, readSettings } from './settings.ts';

// The service is started at the root of the repository, and its paths begin there.
process.chdir(join(import.meta.dirname, '../..'));
const { engine, store } = enginesOf(readSettings());

export default defineConfig({ engine, store, messages: [CustomerRegistered, PaymentRequested] });
