/**
 * The package as npm publishes it, built in a folder of its own: the repository is left alone, so
 * that tests beside this one never see a half-built `dist/` or a stripped manifest.
 */
import assert from 'node:assert/strict';
import { cpSync, existsSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { npm } from './command.ts';

const ingredients = [
  'package.json',
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'LICENSE',
  'CHANGELOG.md',
  'docs',
  'examples',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts',
  'src',
];

export interface Packed {
  readonly tarball: string;
  readonly files: readonly string[];
}

/** Copies what the package is made from into `folder`, and packs it there. */
export async function pack(folder: string): Promise<Packed> {
  for (const name of ingredients) {
    if (existsSync(name)) cpSync(name, join(folder, name), { recursive: true });
  }
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'), 'junction');

  const { status, stdout, output } = await npm(['pack', '--json', '--silent'], { cwd: folder });
  assert.equal(status, 0, output);

  const answer = JSON.parse(stdout.slice(stdout.search(/^[[{]/m))) as unknown;
  const [packed] = Object.values(answer as Record<string, PackAnswer>);
  assert.ok(packed !== undefined, output);
  return {
    tarball: join(folder, packed.filename),
    files: packed.files.map(({ path }) => path).toSorted(),
  };
}

interface PackAnswer {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}
