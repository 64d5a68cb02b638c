/**
 * The public names of each subpath, read from its entry file, and the types behind them.
 *
 *     node scripts/surface.ts            prints them
 *     node scripts/surface.ts --write    accepts them: writes test/package/surface.json and
 *                                        test/package/surface-types.txt
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseSync } from 'oxc-parser';
import { readTypes, typesFile } from './surface-types.ts';

export interface Names {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

export const surfaceFile = 'test/package/surface.json';

export function readSurface(): Record<string, Names> {
  return Object.fromEntries(
    Object.entries(sources()).map(([subpath, source]) => [subpath, namesOf(source)]),
  );
}

/** By subpath: its source. */
function sources(): Record<string, string> {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
    readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  };
  return Object.fromEntries(
    Object.entries(manifest.exports).flatMap(([subpath, target]) => {
      const source = typeof target === 'string' ? undefined : target['malote-source'];
      return source === undefined ? [] : [[subpath.replace(/^\./, 'malote'), source]];
    }),
  );
}

function namesOf(path: string): Names {
  const { module } = parseSync(path, readFileSync(path, 'utf8'));
  const all = module.staticExports.flatMap(({ entries }) => entries);
  const names = (isType: boolean): string[] =>
    all
      .filter((entry) => entry.isType === isType)
      .map(({ exportName }) => exportName.name ?? '*')
      .toSorted();
  return { values: names(false), types: names(true) };
}

/** The entry files of the package, below `src/`. */
export function entrySources(): string[] {
  return Object.values(sources());
}

if (import.meta.main) {
  const text = `${JSON.stringify(readSurface(), null, 2)}\n`;
  const types = readTypes(entrySources());
  if (process.argv.includes('--write')) {
    writeFileSync(surfaceFile, text);
    writeFileSync(typesFile, types);
  } else process.stdout.write(text + types);
}
