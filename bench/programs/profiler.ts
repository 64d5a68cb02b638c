/** Profiles the measured stretch of this process, if it was told to: neither start nor end. */

import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';

let file: string | null = null;
let session: Session | null = null;
const intervalMicroseconds = 200;

/** Sets where the profile goes. */
export function profileTo(path: string | undefined): void {
  file = path ?? null;
}

export function startProfile(): void {
  if (file === null) return;
  session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: intervalMicroseconds });
  session.post('Profiler.start');
}

export function stopProfile(): void {
  const path = file;
  if (session === null || path === null) return;
  session.post('Profiler.stop', (error, answer) => {
    if (error === null) writeFileSync(path, JSON.stringify(answer.profile));
  });
  session.disconnect();
  session = null;
}
