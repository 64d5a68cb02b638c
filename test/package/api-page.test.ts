/** The pages about the API show code that compiles, name every public name, and link what is. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'vitest';
import { bin, node } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const api = readFileSync('docs/api.md', 'utf8');
const cache = readFileSync('docs/cache.md', 'utf8');
const testing = readFileSync('docs/testing.md', 'utf8');

test('every snippet compiles, after the first one of its page', { timeout: 120_000 }, async () => {
  const [preamble = '', ...snippets] = snippetsOf(api);
  assert.ok(snippets.length > 10);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('.'), join(folder, 'node_modules/malote'), 'junction');
  for (const name of ['@types', 'pino', 'vitest', 'zod']) {
    symlinkSync(resolve('node_modules', name), join(folder, 'node_modules', name), 'junction');
  }
  for (const [index, snippet] of snippets.entries()) {
    writeFileSync(join(folder, `api-${index + 1}.ts`), `${preamble}\n${snippet}`);
  }
  for (const [index, snippet] of snippetsOf(cache).entries()) {
    writeFileSync(join(folder, `cache-${index + 1}.ts`), `${preamble}\n${snippet}`);
  }
  for (const [index, snippet] of snippetsOf(testing).entries()) {
    writeFileSync(join(folder, `testing-${index + 1}.ts`), snippet);
  }
  // Names that a reader would go on with are not used in a snippet.
  const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false };
  const tsconfig = { extends: resolve('tsconfig.json'), compilerOptions, include: ['*.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig));

  const { status, output } = await node([bin.tsc, '-p', '.'], { cwd: folder });

  assert.equal(status, 0, output);
});

test('the API page names every public name', () => {
  const entry = readFileSync('src/index.ts', 'utf8');
  const names = [...entry.matchAll(/export (?:type )?\{([^}]+)\}/g)].flatMap(([, list]) =>
    list!.split(',').map((name) => name.replace('type ', '').trim()),
  );
  assert.ok(names.length > 20);

  const absent = names.filter((name) => name !== '' && !new RegExp(`\\b${name}\\b`).test(api));

  assert.deepEqual(absent, []);
});

test('the test it shows is one that runs', () => {
  const example = readFileSync('test/examples/your-own-code.test.ts', 'utf8');

  assert.ok(
    testing.includes(`\`\`\`ts\n${example}\`\`\``),
    'docs/testing.md differs from the file',
  );
});

test('every link leads somewhere', () => {
  const others = ['docs/cli.md', 'docs/lifecycle.md'].map((page) => readFileSync(page, 'utf8'));
  for (const page of [api, cache, testing, ...others]) {
    const links = page.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g);
    for (const [, target] of links) assert.ok(existsSync(join('docs', target!)), target);
  }
});

function snippetsOf(page: string): string[] {
  return [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1]!);
}
