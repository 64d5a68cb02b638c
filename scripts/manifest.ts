/**
 * Takes the `malote-source` condition out of package.json while npm packs, and puts it back.
 *
 * The condition lets tests and examples import `malote/...` from `src/`. The package is published
 * without `src/`, and a manifest should not name files that are not there.
 *
 *     node scripts/manifest.ts strip      before packing
 *     node scripts/manifest.ts restore    after packing; needs nothing remembered, so it also
 *                                         repairs a manifest whose packing was interrupted
 */
import { readFileSync, writeFileSync } from 'node:fs';

type Target = string | Readonly<Record<string, string>>;
type Exports = Readonly<Record<string, Target>>;

export function strip(exports: Exports): Exports {
  return change(exports, (target) => {
    const { 'malote-source': _, ...published } = target;
    return published;
  });
}

/** `./dist/x.js` is built from `./src/x.ts`, so the condition can be computed. */
export function restore(exports: Exports): Exports {
  return change(exports, (target) => {
    const source = target['default']?.replace('./dist/', './src/').replace(/\.js$/, '.ts');
    return source === undefined ? target : { 'malote-source': source, ...target };
  });
}

function change(
  exports: Exports,
  changed: (target: Readonly<Record<string, string>>) => Target,
): Exports {
  return Object.fromEntries(
    Object.entries(exports).map(([subpath, target]) => [
      subpath,
      typeof target === 'string' ? target : changed(target),
    ]),
  );
}

if (import.meta.main) {
  const step = { strip, restore }[process.argv[2] ?? ''];
  if (step === undefined) throw new Error('usage: node scripts/manifest.ts strip|restore');
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Exports };
  manifest.exports = step(manifest.exports);
  writeFileSync('package.json', `${JSON.stringify(manifest, null, 2)}\n`);
}
