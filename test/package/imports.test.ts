/**
 * Who may import whom. Rings point inward: a layer sees itself and the layers it names. Anything
 * missing from the table is forbidden, so a new folder has to earn its place in it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import {
  isReference,
  isTestFile,
  lineOf,
  sourceFilesUnder,
  type SourceFile,
  withoutComments,
} from '../support/source-file.ts';

const inner = ['message', 'policy', 'transport', 'outbox', 'runtime'] as const;

const mayImport: Readonly<Record<string, readonly string[]>> = {
  message: [],
  policy: ['message'],
  transport: ['message'],
  outbox: ['message', 'policy', 'transport'],
  lock: ['message', 'transport'],
  cache: ['message', 'transport', 'lock'],
  runtime: ['message', 'policy', 'transport', 'outbox', 'lock', 'cache'],
  observe: inner,
  'transports/memory': ['message', 'transport'],
  'transports/rabbitmq': ['message', 'transport'],
  'transports/sqlite': ['message', 'transport'],
  testing: [...inner, 'transports/memory'],
  // What users can use, and the suite as data.
  cli: ['index', 'testing'],
  index: [...inner, 'observe', 'lock', 'cache'],
  // Leaves: every layer may use them, they use nobody.
  clock: [],
  errors: [],
  id: [],
};

const leaves = ['clock', 'errors', 'id'];
const pure = ['message', 'policy', 'transport'];

/** The only places that may ask the machine for time, and for randomness to make ids from. */
const clockFile = 'src/clock.ts';
const isIdFile = (path: string): boolean => path === 'src/id.ts';

/** The only file that imports what is named while it runs. */
const configFile = 'src/cli/config.ts';

const timers = ['setTimeout', 'setInterval'];
const turns = ['setImmediate', 'queueMicrotask'];
const randomness = ['crypto', 'randomUUID', 'randomBytes', 'randomInt'];
const engines = /sqlite|postgres|mysql|mariadb|redis|rabbitmq|activemq|nats|\bmemory\b/i;

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>> | string>>;
};
const declared = [manifest.dependencies, manifest.peerDependencies ?? {}].flatMap(Object.keys);
const entries = Object.values(manifest.exports).flatMap((target) =>
  typeof target === 'string' ? [] : [target['malote-source']?.replace('./', '')],
);

const everyFile = sourceFilesUnder('src');
const files = everyFile.filter(({ path }) => !isTestFile(path));

test('there is something to check', () => {
  assert.ok(files.length > 0, 'no file was found under src/');
  for (const layer of inner) {
    assert.ok(
      files.some(({ path }) => layerOf(path) === layer),
      `no file was found under src/${layer}/`,
    );
  }
});

describe('each file', () => {
  test.each(files.map((file) => [file.path, file] as const))('%s', (path, file) => {
    const wrong = [
      ...layers(file),
      ...packages(file),
      ...ambient(file),
      ...exportForms(file),
      ...engineNames(file),
    ];
    assert.deepEqual(wrong, [], path);
  });
});

test('no file imports itself by way of others', () => {
  const imports = new Map(
    files.map(({ path, imports: all }) => [path, all.flatMap(({ target }) => target ?? [])]),
  );
  assert.deepEqual(
    [...imports.keys()].map((path) => cycleFrom(path, imports)).find(Boolean),
    undefined,
  );
});

/** Where a file lives: `src/policy/retry.ts` in `policy`, `src/clock.ts` in `clock`. */
function layerOf(path: string): string {
  const [, first = '', second = ''] = path.replace(/\.ts$/, '').split('/');
  return first === 'transports' ? `transports/${second}` : first;
}

function layers({ path, imports }: SourceFile): string[] {
  const layer = layerOf(path);
  const allowed = mayImport[layer];
  if (allowed === undefined) return [`${layer} has no row in the table of layers`];
  return imports.flatMap(({ specifier, target }) => {
    if (target === undefined) return [];
    if (isTestFile(target)) return [`imports a test: ${specifier}`];
    const other = layerOf(target);
    const isLeaf = leaves.includes(other) && !leaves.includes(layer);
    const seen = other === layer || allowed.includes(other) || isLeaf;
    return seen ? [] : [`${layer} may not import ${other} (${specifier})`];
  });
}

function packages({ path, imports }: SourceFile): string[] {
  return imports.flatMap(({ specifier, target, isType }) => {
    if (target !== undefined) return [];
    // A configuration is where the user has put it.
    if (specifier === 'undefined' && path === configFile) return [];
    if (specifier.startsWith('node:')) {
      const allowed = !pure.includes(layerOf(path)) || isIdFile(path);
      return allowed ? [] : [`${layerOf(path)} is pure but imports ${specifier}`];
    }
    const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
    if (!declared.includes(name)) return [`imports ${specifier}, which is not a dependency`];
    // Ids are made by a package in one place; elsewhere a pure layer may borrow types only.
    const allowed = isType || isIdFile(path) || !pure.includes(layerOf(path));
    return allowed ? [] : [`${layerOf(path)} is pure but runs ${specifier}`];
  });
}

/** Time, randomness and ids are injected; only a pure layer may not even take another turn. */
function ambient(file: SourceFile): string[] {
  const { path, text, nodes, imports } = file;
  const layer = layerOf(path);
  if (path === clockFile || isIdFile(path)) return [];
  if (['testing', 'index', ...leaves].includes(layer)) return [];
  const isPure = pure.includes(layer);
  const forbidden = [...timers, ...randomness, 'performance', ...(isPure ? turns : [])];
  const members = ['Date.now', 'Math.random', 'AbortSignal.timeout', 'process.hrtime'];

  const wrong = nodes.flatMap((node) => {
    const code = text.slice(node.start, node.end);
    const found =
      (isReference(node) && forbidden.includes(code)) ||
      (node.type === 'MemberExpression' && members.includes(code)) ||
      (node.type === 'MemberExpression' && /^globalThis\b/.test(code)) ||
      (node.type === 'NewExpression' && /^new Date(\(\))?$/.test(code));
    return found ? [`line ${lineOf(text, node.start)} uses ${code}, which must be injected`] : [];
  });
  const imported = imports
    .filter(({ specifier }) => /^node:(crypto|timers|perf_hooks)/.test(specifier))
    .filter(({ names }) => names.length === 0 || !names.every((name) => turns.includes(name)));
  return [...wrong, ...imported.map(({ specifier }) => `imports ${specifier}`)];
}

function exportForms({ path, exports, nodes }: SourceFile): string[] {
  const isEntry = entries.includes(path);
  const wrong: string[] = [];
  if (path.endsWith('/index.ts') && !isEntry)
    wrong.push('is a barrel that package.json does not export');
  if (nodes.some(({ type }) => type === 'ExportAllDeclaration')) wrong.push('has an export *');
  if (nodes.some(({ type }) => type === 'ExportDefaultDeclaration'))
    wrong.push('exports a default');
  const borrowed = exports.filter(({ moduleRequest }) => moduleRequest !== null);
  if (!isEntry && borrowed.length > 0 && borrowed.length === exports.length) {
    wrong.push('is a barrel: it declares nothing of its own');
  }
  return wrong;
}

function engineNames(file: SourceFile): string[] {
  if (layerOf(file.path) !== 'runtime') return [];
  return withoutComments(file)
    .split('\n')
    .flatMap((line, index) => {
      const name = engines.exec(line)?.[0];
      return name === undefined ? [] : [`line ${index + 1} names an engine: ${name}`];
    });
}

function cycleFrom(
  start: string,
  imports: ReadonlyMap<string, readonly string[]>,
): string | undefined {
  const seen = new Set<string>();
  const walk = (path: string, trail: readonly string[]): string | undefined => {
    for (const next of imports.get(path) ?? []) {
      if (next === start) return [...trail, path, next].join(' → ');
      if (seen.has(next)) continue;
      seen.add(next);
      const found = walk(next, [...trail, path]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return walk(start, []);
}
