/** Reads a V8 profile: in which functions the time went, without what they called. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { HotSpot } from './results.ts';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const shown = 15;
const root = fileURLToPath(new URL('..', import.meta.url));

export function hotSpots(file: string): readonly HotSpot[] {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile;
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, { name: string; place: string; time: number }>();
  let busy = 0;
  profile.samples.forEach((id, index) => {
    const frame = frames.get(id);
    if (frame === undefined || frame.functionName === '(idle)') return;
    // The profiler's own start and stop.
    if (frame.url === 'node:inspector') return;
    const time = Math.max(0, profile.timeDeltas[index] ?? 0);
    busy += time;
    const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
    const place = placeOf(frame.url, frame.lineNumber);
    const key = `${name} ${place}`;
    const known = times.get(key) ?? { name, place, time: 0 };
    known.time += time;
    times.set(key, known);
  });
  return [...times.values()]
    .toSorted((a, b) => b.time - a.time)
    .slice(0, shown)
    .map(({ name, place, time }) => ({ name, place, share: (time / busy) * 100 }));
}

/** Relative to the repository; a package's file from its name on. */
function placeOf(url: string, line: number): string {
  if (url === '') return '';
  if (!url.startsWith('file:')) return url;
  const path = fileURLToPath(url).replace(root, '').replaceAll('\\', '/');
  return `${path.replace(/^.*node_modules\//, '')}:${line + 1}`;
}
