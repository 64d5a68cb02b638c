/** Sends what was planned, many requests at a time, each until it is answered. */
import { setTimeout } from 'node:timers/promises';
import type { Accepted } from './check.ts';
import type { Step } from './plan.ts';

export interface Sending {
  readonly url: string;
  readonly steps: readonly Step[];
  /** Told of every payment that was answered 202. */
  accepted(payment: Accepted): void;
}

const atOnce = 32;
const tries = 100;

/** A customer is sent once the earlier payments for it are accepted: before means before. */
export async function sendAll({ url, steps, accepted }: Sending): Promise<void> {
  const underWay = new Map<string, Promise<unknown>[]>();
  const queue = steps.values();

  async function send(step: Step): Promise<void> {
    if (step.kind === 'customer') {
      await Promise.all(underWay.get(step.body.id) ?? []);
      underWay.delete(step.body.id);
      await post(`${url}/customers`, step.body);
      return;
    }
    const { body, fate, isRepeated } = step;
    const answered = post(`${url}/payments`, body);
    const others = underWay.get(body.customerId);
    if (others === undefined) underWay.set(body.customerId, [answered]);
    else others.push(answered);
    await answered;
    accepted({ id: body.id, fate });
    if (isRepeated) await post(`${url}/payments`, body);
  }

  async function sendNext(): Promise<void> {
    for (const step of queue) await send(step);
  }

  await Promise.all(Array.from({ length: atOnce }, sendNext));
}

/** Sending again is safe: the id is in the body. */
async function post(url: string, body: object): Promise<void> {
  const headers = { 'Content-Type': 'application/json' };
  const request = { method: 'POST', headers, body: JSON.stringify(body) };
  for (let left = tries; ; left -= 1) {
    const response = await fetch(url, request).catch(() => null);
    await response?.arrayBuffer();
    if (response?.ok === true) return;
    if (left === 0 || (response !== null && response.status < 500)) {
      throw new Error(`${url} answered ${response?.status ?? 'nothing'} to ${request.body}`);
    }
    await setTimeout(100);
  }
}
