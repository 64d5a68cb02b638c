/**
 * The types behind the public names: every declaration that is reached from an entry, as the
 * compiler emits it, without its comments. What a user's code is checked against, as one text.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { parseSync, type StaticExportEntry } from 'oxc-parser';

export const typesFile = 'test/package/surface-types.txt';

interface Module {
  readonly exports: readonly StaticExportEntry[];
  /** Where an imported name comes from. */
  readonly imports: ReadonlyMap<string, { readonly file: string; readonly name: string }>;
  /** Texts by name; a function may have several. */
  readonly declarations: ReadonlyMap<string, string>;
}

interface Place {
  readonly file: string;
  readonly name: string;
}

/** @param sources - the entry files, below `src/` */
export function readTypes(sources: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'malote-types-'));
  try {
    emit(folder);
    const entries = sources.map((source) =>
      join(folder, relative('src', source).replace(/\.ts$/, '.d.ts')),
    );
    return textOf(folder, reach(entries));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function emit(folder: string): void {
  const compiler = resolve('node_modules/typescript/bin/tsc');
  const args = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', folder];
  const { status, stdout } = spawnSync(process.execPath, [compiler, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stdout);
}

/** What each reached declaration says, by its place. */
function reach(entries: readonly string[]): ReadonlyMap<string, Place & { readonly text: string }> {
  const modules = new Map<string, Module>();
  const reached = new Map<string, Place & { readonly text: string }>();
  const open: Place[] = entries.flatMap((file) =>
    moduleOf(file).exports.map(({ exportName }) => exported({ file, name: exportName.name! })),
  );

  function moduleOf(file: string): Module {
    const known = modules.get(file) ?? readModule(file);
    modules.set(file, known);
    return known;
  }

  /** The declaration behind an exported name, which other files may pass on. */
  function exported({ file, name }: Place): Place {
    const entry = moduleOf(file).exports.find(({ exportName }) => exportName.name === name);
    if (entry === undefined) throw new Error(`${file} does not export ${name}`);
    const from = entry.moduleRequest?.value;
    const local = entry.importName.name ?? entry.localName.name ?? name;
    if (from === undefined) return { file, name: local };
    return exported({ file: fileOf(file, from), name: local });
  }

  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const { file, name } = place;
    const key = `${name} ${file}`;
    const { declarations, imports } = moduleOf(file);
    const text = declarations.get(name);
    if (text === undefined || reached.has(key)) continue;
    reached.set(key, { ...place, text });
    for (const [word] of text.matchAll(/[A-Za-z_]\w*/g)) {
      const from = imports.get(word);
      if (from !== undefined) open.push(exported(from));
      else if (declarations.has(word)) open.push({ file, name: word });
    }
  }
  return reached;
}

function readModule(file: string): Module {
  const source = readFileSync(file, 'utf8');
  const { program, module, comments } = parseSync(file, source);
  const imports = new Map<string, Place>();
  for (const { moduleRequest, entries } of module.staticImports) {
    if (!moduleRequest.value.startsWith('.')) continue;
    for (const { localName, importName } of entries) {
      const name = importName.name ?? localName.value;
      imports.set(localName.value, { file: fileOf(file, moduleRequest.value), name });
    }
  }
  const declarations = new Map<string, string>();
  for (const { start, end } of program.body) {
    const own = comments.filter((comment) => comment.start >= start && comment.end <= end);
    const text = without(own, source, { start, end });
    const [, name] = /\b(?:interface|type|function|class|const) (\w+)/.exec(text) ?? [];
    if (name === undefined || /^(?:import|export (?:type )?\{)/.test(text)) continue;
    declarations.set(name, [declarations.get(name), text].filter(Boolean).join('\n'));
  }
  return { exports: module.staticExports.flatMap(({ entries }) => entries), imports, declarations };
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function without(comments: readonly Range[], source: string, { start, end }: Range): string {
  let text = '';
  let from = start;
  for (const comment of comments) {
    text += source.slice(from, comment.start);
    from = comment.end;
  }
  text += source.slice(from, end);
  return text.replaceAll(/^\s*\n/gm, '').trim();
}

function fileOf(from: string, request: string): string {
  return join(dirname(from), request.replace(/\.[jt]s$/, '.d.ts'));
}

function textOf(folder: string, reached: ReturnType<typeof reach>): string {
  const parts = [...reached.values()].map(({ file, name, text }) => {
    const path = relative(folder, file).replaceAll('\\', '/').replace('.d.ts', '.ts');
    return { key: `${name} ${path}`, text: `// ${path}\n${text}\n` };
  });
  return parts
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ text }) => text)
    .join('\n');
}
