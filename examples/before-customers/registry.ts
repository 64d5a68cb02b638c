/**
 * Who is registered, a line per customer. Only the algorithm by delays has to ask; with `waitFor`
 * malote knows.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';

export const registryPath = 'data/registered-customers.log';

export function remember(customerId: string): void {
  mkdirSync(dirname(registryPath), { recursive: true });
  appendFileSync(registryPath, `${JSON.stringify(customerId)}\n`);
}

export function isRegistered(customerId: string): boolean {
  if (!existsSync(registryPath)) return false;
  return readFileSync(registryPath, 'utf8').split('\n').includes(JSON.stringify(customerId));
}
