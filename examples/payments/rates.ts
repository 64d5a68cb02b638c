/**
 * The stand-in for the rates service as a process of its own, to be slow and to fail on demand:
 *
 *     npm run rates                 RATES_PORT=3011 RATES_DELAY=2000 npm run rates
 *     npm run worker                asks it; and so does: RATES_URL=http://localhost:3010 npm start
 *     curl -X POST -d '{"times": 3}' http://localhost:3010/fail
 *     curl http://localhost:3010/calls
 */
import { endWithParent } from './end-with-parent.ts';
import { type Listening, listen } from './listen.ts';
import { createRates, usualRatesPort } from './rates-api.ts';

const api = createRates({ delayMs: Number(process.env['RATES_DELAY'] ?? '300') });
const server: Listening = await listen(
  (request) => api.fetch(request),
  Number(process.env['RATES_PORT'] ?? usualRatesPort),
);
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void server.close());
endWithParent(() => void server.close());
console.log(`rates listens on http://localhost:${server.port}`);
