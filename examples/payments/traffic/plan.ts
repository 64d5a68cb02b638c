/**
 * What the traffic generator sends, drawn from a seed and known before the first request: payments
 * before their customer, bursts on hot customers, cards that decline or fail, requests sent twice.
 */
import { seededRandom } from 'malote/testing';
import type { Customer, Payment } from '../database.ts';

/** `orphan`: its customer never comes. For the others see `cards.ts`. */
export type Fate = 'sound' | 'flaky' | 'declined' | 'poison' | 'orphan';

export interface PlannedPayment {
  readonly kind: 'payment';
  readonly body: Payment;
  readonly fate: Fate;
  /** Whether the request is sent again: nothing may come of that. */
  readonly isRepeated: boolean;
}

export type Step = PlannedPayment | { readonly kind: 'customer'; readonly body: Customer };

export interface Plan {
  readonly steps: readonly Step[];
  readonly payments: number;
  readonly customers: number;
  /** Payments that are sent before their customer. */
  readonly early: number;
  readonly repeated: number;
}

export interface PlanOptions {
  readonly payments: number;
  readonly seed: number;
  /** Every id begins with it, so that runs do not meet. */
  readonly run: string;
}

type Kind = 'orphan' | 'hot' | 'regular';

/** Payments per customer of a kind; they come within a window, those of a hot one in bursts. */
const perCustomer = { orphan: 5, hot: 400, regular: 10 };
const window = 100;
const bursts = 5;
const currencies = ['EUR', 'USD', 'GBP', 'BRL', 'JPY'];
const cents = { sound: '50', orphan: '50', flaky: '17', declined: '13', poison: '66' };

export function planTraffic({ payments, seed, run }: PlanOptions): Plan {
  const random = seededRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const counts = countsOf(payments);
  const placed: { readonly at: number; readonly step: Step }[] = [];
  let [customers, number] = [0, 0];

  function placesOf(kind: Kind, count: number): number[] {
    // Orphans come in the first half: nobody has to wait for the end of their patience.
    const start = below(kind === 'orphan' ? payments / 2 : payments);
    const place = (): number =>
      window * random() + (kind === 'hot' ? (below(bursts) * payments) / bursts : start);
    return Array.from({ length: count }, place).toSorted((a, b) => a - b);
  }

  function paymentFor(customerId: string, kind: Kind): PlannedPayment {
    number += 1;
    const fate = kind === 'orphan' ? 'orphan' : fateOf(number);
    const amount = `${1 + below(500)}.${cents[fate]}`;
    const currency = currencies[below(currencies.length)]!;
    const body = { id: `${run}-p-${number}`, customerId, amount, currency };
    return { kind: 'payment', body, fate, isRepeated: random() < 0.05 };
  }

  /** @param before - how many of the payments come before the customer */
  function addCustomer(kind: Kind, count: number, before: number): void {
    customers += 1;
    const id = `${run}-c-${customers}`;
    const places = placesOf(kind, count);
    for (const at of places) placed.push({ at, step: paymentFor(id, kind) });
    if (kind === 'orphan') return;
    const body = { id, email: `${id}@example.com`, name: `Customer ${customers}` };
    placed.push({ at: places[before - 1] ?? -1, step: { kind: 'customer', body } });
  }

  for (const kind of ['orphan', 'hot', 'regular'] as const) {
    for (let made = 0; made < counts[kind]; made += perCustomer[kind]) {
      const count = Math.min(perCustomer[kind], counts[kind] - made);
      const isRegular = kind === 'regular';
      const before = isRegular ? counts.early(made + count) - counts.early(made) : 0;
      addCustomer(kind, count, before);
    }
  }
  // Of equal places the first drawn comes first: a payment, then its customer.
  const steps = placed.toSorted((a, b) => a.at - b.at).map(({ step }) => step);
  const repeated = steps.filter((step) => step.kind === 'payment' && step.isRepeated).length;
  const early = counts.orphan + counts.early(counts.regular);
  return { steps, payments: number, customers, early, repeated };
}

/** One payment in a hundred is an orphan, one in five is for a hot customer, a third is early. */
function countsOf(payments: number): Record<Kind, number> & { early(regular: number): number } {
  const orphan = Math.ceil(payments / 100);
  const hot = Math.floor(payments / 5);
  const regular = payments - orphan - hot;
  const share = Math.max(0, payments / 3 - orphan) / Math.max(1, regular);
  return { orphan, hot, regular, early: (made) => Math.floor(made * share) };
}

/** Two cards in a hundred decline, two are flaky, two in a thousand never work. */
function fateOf(number: number): Fate {
  if (number % 500 === 99) return 'poison';
  if (number % 50 === 7) return 'declined';
  return number % 50 === 31 ? 'flaky' : 'sound';
}
