/** A question before something large: to whoever sits at the terminal, and to nobody else. */

import { createInterface } from 'node:readline';

/** Null where there is nobody to ask: in a pipe, a script, a job. */
export async function confirmed(question: string): Promise<boolean | null> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return null;
  // Without editing of its own, so that Ctrl+C stays a signal.
  const lines = createInterface({ input: process.stdin, terminal: false });
  process.stderr.write(`${question} [y/N] `);
  try {
    for await (const line of lines) return /^\s*y(es)?\s*$/i.test(line);
    return false;
  } finally {
    lines.close();
  }
}
