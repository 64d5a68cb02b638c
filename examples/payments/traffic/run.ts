/**
 * `npm start -- --traffic 5000`: the service as separate processes, traffic of the unkind sort, a
 * worker and a relay killed on the way, and then the ledger check.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { type Bus, createBus } from 'malote';
import type { Traffic } from '../command.ts';
import { enginesOf, readSettings } from '../settings.ts';
import { countLeft, readBooks } from './books.ts';
import { type Accepted, allowedCalls, checkConduct, checkLedger } from './check.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { planTraffic } from './plan.ts';
import { showProgress } from './progress.ts';
import { greeting, report } from './report.ts';
import { sendAll } from './send.ts';

/** Files, and a namespace, of its own: no payment of yours is held to the short deadline. */
const folder = 'data/traffic';
const ratesTtlSeconds = 5;
const environment: NodeJS.ProcessEnv = {
  MALOTE_ENGINE: `sqlite:${folder}/malote.db`,
  MALOTE_NAMESPACE: 'payments-traffic',
  MALOTE_STORE: `sqlite:${folder}/payments.db`,
  PAYMENT_DEADLINE: '5s',
  RATES_PORT: '0',
  RATES_DELAY: '50',
  ...process.env,
  RATES_TTL: `${ratesTtlSeconds}s`,
};
const lookEveryMs = 50;
const patienceMs = 30_000;

/** Answers the exit code: 0 where the ledger is right, 1 where it is not, 130 after Ctrl+C. */
export async function runTraffic(traffic: Traffic): Promise<number> {
  const fleet = createFleet(folder, environment);
  const { engine, store, file } = enginesOf(readSettings(environment));
  const bus = createBus({ engine, store, relay: false, handleSignals: false, logger: false });
  const interrupted = Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal)));
  try {
    const running = runAndCheck(traffic, { fleet, bus, file });
    const code = await Promise.race([interrupted, running]);
    if (typeof code !== 'number') {
      console.error('ended before anything was checked');
      return 130;
    }
    if (traffic.exit) return code;
    console.log('  The service goes on; Ctrl+C ends it.');
    await interrupted;
    return code;
  } finally {
    await fleet.stop();
    await bus.stop();
  }
}

interface World {
  readonly fleet: Fleet;
  readonly bus: Bus;
  readonly file: string;
}

async function runAndCheck(traffic: Traffic, { fleet, bus, file }: World): Promise<number> {
  const { payments, seed, exit } = traffic;
  const run = `t-${randomUUID().slice(0, 6)}`;
  const plan = planTraffic({ payments, seed, run });
  console.log(greeting);
  const began = performance.now();
  const { url, ratesUrl } = await launch(fleet);
  const accepted: Accepted[] = [];
  const killed: string[] = [];
  const replacing: Promise<void>[] = [];
  const progress = showProgress(bus, payments, () => accepted.length);

  function kill(name: string): void {
    killed.push(name);
    replacing.push(fleet.replace(name));
  }

  await sendAll({
    url,
    steps: plan.steps,
    accepted(payment) {
      const count = accepted.push(payment);
      if (count === Math.ceil(payments / 3)) kill('worker-1');
      if (count === Math.ceil((payments * 2) / 3)) kill('relay-1');
    },
  });
  await Promise.all(replacing);
  await settle(bus);
  progress.end();
  const seconds = (performance.now() - began) / 1_000;
  const rates = {
    succeeded: await callsOf(ratesUrl),
    allowed: allowedCalls({ seconds, ttlSeconds: ratesTtlSeconds, killed }),
    ttl: `${ratesTtlSeconds} s`,
  };
  // Nothing moves any more when the books are read.
  const unwell = exit ? await fleet.stop() : [];
  const books = { accepted, ...(await readBooks({ bus, file, run })) };
  const findings = [...checkLedger(books), ...checkConduct(rates, unwell)];
  console.log(report({ plan, books, findings, killed, rates, seconds, folder }));
  return findings.length === 0 ? 0 : 1;
}

async function launch(fleet: Fleet): Promise<{ readonly url: string; readonly ratesUrl: string }> {
  const rates = { program: 'rates.ts', ready: /^rates listens on (\S+)$/m };
  const ratesUrl = await fleet.start('rates', rates);
  const main = { program: 'main.ts', environment: { RATES_URL: ratesUrl, PORT: '0' } };
  const door = { ...main, args: ['app'], ready: /^payments listens on (\S+), /m };
  const inside = (role: string) => ({ ...main, args: [role], ready: / at work$/m });
  const [url] = await Promise.all([
    fleet.start('app', door),
    ...['relay-1', 'relay-2'].map((name) => fleet.start(name, inside('relay'))),
    ...['worker-1', 'worker-2'].map((name) => fleet.start(name, inside('worker'))),
  ]);
  return { url, ratesUrl };
}

/** Until nothing is left to do, or nothing has been done for a while. */
async function settle(bus: Bus): Promise<void> {
  let [left, changedAt] = [-1, performance.now()];
  for (let calm = 0; calm < 3; await setTimeout(lookEveryMs)) {
    const now = await countLeft(bus);
    if (now !== left) changedAt = performance.now();
    else if (performance.now() - changedAt > patienceMs) return;
    calm = now === 0 ? calm + 1 : 0;
    left = now;
  }
}

async function callsOf(ratesUrl: string): Promise<number> {
  const response = await fetch(`${ratesUrl}/calls`);
  return ((await response.json()) as { readonly succeeded: number }).succeeded;
}
