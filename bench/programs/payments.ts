/**
 * The payments example as it is, in processes of its own: payments are posted before their
 * customers, then one customer after another is registered over HTTP. Measured is what the service
 * itself says, from "Handling [customer.registered]" to "Booked", the card processor's up to 20 ms
 * included. With two processes, requests go to either in turns, and both share the work.
 */

import assert from 'node:assert/strict';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Spec } from '../scenario.ts';
import { instant, latencies } from './measure.ts';
import { inPlace } from './place.ts';
import { type Service, startService } from './service.ts';

type PaymentsSpec = Extract<Spec, { readonly program: 'payments' }>;

const warmUp = 20;
const pollMs = 5;
/** Requests under way at once while the payments are posted. */
const posters = 20;

export async function payments({ payments: count, processes }: PaymentsSpec): Promise<Answer> {
  return await inPlace(async (file) => {
    const book = createBook();
    const services: Service[] = [];
    try {
      while (services.length < processes) services.push(await startService(file, book.read));
      const total = warmUp + count;
      await postAll(services, total);
      const histogram = createHistogram();
      for (let index = 0; index < total; index++) {
        const booked = book.booked(idsOf(index).paymentId);
        await register(services[index % processes]!, index);
        await booked;
        const tookNs = book.take(idsOf(index));
        if (index >= warmUp) histogram.record(tookNs);
      }
      await checkBooked(services[0]!, total);
      return { metrics: latencies(histogram) };
    } finally {
      await Promise.all(services.map((service) => service.stop()));
    }
  });
}

interface Ids {
  readonly paymentId: string;
  readonly customerId: string;
}

function idsOf(index: number): Ids {
  return { paymentId: `p-${index}`, customerId: `c-${index}` };
}

async function postAll(services: readonly Service[], count: number): Promise<void> {
  let next = 0;
  const post = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const { paymentId: id, customerId } = idsOf(index);
      const service = services[index % services.length]!;
      await service.post('/payments', { id, customerId, amount: '10.00', currency: 'USD' }, 202);
      while ((await service.statusOf(id)) !== 'waiting') await sleep(pollMs);
    }
  };
  await Promise.all(Array.from({ length: posters }, post));
}

async function register(service: Service, index: number): Promise<void> {
  const { customerId: id } = idsOf(index);
  await service.post('/customers', { id, email: `${id}@example.com`, name: 'Ana' }, 201);
}

async function checkBooked(service: Service, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    assert.equal(await service.statusOf(idsOf(index).paymentId), 'booked');
  }
}

/** What the services said, and when. */
interface Book {
  /** Reads a line of a service. */
  readonly read: (line: string) => void;
  booked(paymentId: string): Promise<void>;
  /** Nanoseconds from the registration to the booking; throws unless it was booked once. */
  take(ids: Ids): number;
}

const registration = /^Handling \[customer\.registered\] .*"customerId":"([^"]+)"/;
const booking = /^Booked (\S+) of customer /;

function createBook(): Book {
  const registeredAt = new Map<string, number>();
  const bookedAt = new Map<string, number[]>();
  const waiting = new Map<string, () => void>();
  return {
    read(line) {
      const [, customerId] = registration.exec(line) ?? [];
      if (customerId !== undefined) registeredAt.set(customerId, instant());
      const [, paymentId] = booking.exec(line) ?? [];
      if (paymentId === undefined) return;
      bookedAt.set(paymentId, [...(bookedAt.get(paymentId) ?? []), instant()]);
      waiting.get(paymentId)?.();
    },
    booked: (paymentId) =>
      bookedAt.has(paymentId)
        ? Promise.resolve()
        : new Promise((resolve) => waiting.set(paymentId, resolve)),
    take({ paymentId, customerId }) {
      const from = registeredAt.get(customerId);
      const [to, ...more] = bookedAt.get(paymentId) ?? [];
      assert.ok(from !== undefined && to !== undefined, `${paymentId} came before ${customerId}`);
      assert.equal(more.length, 0, `${paymentId} was booked twice`);
      return Math.max(1, to - from);
    },
  };
}
