/**
 * Who is registered, a line per customer. Only the algorithm by delays has to ask; with `waitFor`
 * malote knows.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

const path = 'data/registered-customers.log';

export function remember(customerId: string): void {
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, `${JSON.stringify(customerId)}\n`);
}

export function isRegistered(customerId: string): boolean {
  if (!existsSync(path)) return false;
  return readFileSync(path, 'utf8').split('\n').includes(JSON.stringify(customerId));
}
