/**
 * Reads a source file as the package tests need it: what it imports, exports and calls.
 * Works on the syntax tree, so that a word in a comment or a string is never mistaken for code.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import { parseSync, type Comment, type StaticExportEntry } from 'oxc-parser';

export interface SourceFile {
  /** Relative to the root of the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly comments: readonly Comment[];
  readonly imports: readonly Import[];
  readonly exports: readonly StaticExportEntry[];
  readonly nodes: readonly SyntaxNode[];
}

export interface Import {
  readonly specifier: string;
  /** The file in this repository a relative specifier means. */
  readonly target: string | undefined;
  /** Erased when the program runs. */
  readonly isType: boolean;
  readonly names: readonly string[];
}

/** A node of the syntax tree with the place it has in its parent. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly field: string;
  readonly parent: SyntaxNode | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function sourceFilesUnder(folder: string): SourceFile[] {
  return pathsUnder(folder).map(readSourceFile);
}

export function pathsUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .toSorted();
}

export function isTestFile(path: string): boolean {
  return path.endsWith('.test.ts');
}

export function readSourceFile(path: string): SourceFile {
  return parseSource(path, readFileSync(path, 'utf8'));
}

export function parseSource(path: string, text: string): SourceFile {
  const { program, module, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0]?.message}`);
  const nodes: SyntaxNode[] = [];
  collect(program, '', undefined, nodes);
  const exports = module.staticExports.flatMap(({ entries }) => entries);
  const importOf = (specifier: string, isType: boolean, names: readonly string[] = []): Import => ({
    specifier,
    target: specifier.startsWith('.') ? posix.join(dirname(path), specifier) : undefined,
    isType,
    names,
  });
  return {
    path,
    text,
    comments,
    exports,
    nodes,
    imports: [
      ...module.staticImports.map(({ moduleRequest, entries }) =>
        importOf(
          moduleRequest.value,
          entries.length > 0 && entries.every(({ isType }) => isType),
          entries.map(({ importName, localName }) => importName.name ?? localName.value),
        ),
      ),
      ...exports.flatMap(({ moduleRequest, isType }) =>
        moduleRequest === null ? [] : [importOf(moduleRequest.value, isType)],
      ),
      ...nodes.flatMap((node) => {
        if (node.type !== 'ImportExpression' && node.type !== 'TSImportType') return [];
        const source = node.fields['source'] as { readonly value?: unknown } | undefined;
        return [importOf(String(source?.value), node.type === 'TSImportType')];
      }),
    ],
  };
}

export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** The text with every comment blanked, line breaks and offsets kept. */
export function withoutComments({ text, comments }: SourceFile): string {
  let code = text;
  for (const { start, end } of comments) {
    code = code.slice(0, start) + code.slice(start, end).replace(/[^\n]/g, ' ') + code.slice(end);
  }
  return code;
}

/**
 * Whether this identifier means a variable, and is not the name of a property or a method: in
 * `clock.now`, `clock` does and `now` does not.
 */
export function isReference({ type, field, parent }: SyntaxNode): boolean {
  if (type !== 'Identifier') return false;
  if (parent?.fields['computed'] === true) return true;
  return field !== 'property' && field !== 'key' && field !== 'label';
}

function collect(
  value: unknown,
  field: string,
  parent: SyntaxNode | undefined,
  nodes: SyntaxNode[],
): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, field, parent, nodes);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const fields = value as Record<string, unknown>;
  const { type, start, end } = fields;
  if (typeof type !== 'string' || typeof start !== 'number' || typeof end !== 'number') return;
  const node: SyntaxNode = { type, start, end, field, parent, fields };
  nodes.push(node);
  for (const [name, child] of Object.entries(fields)) collect(child, name, node, nodes);
}
