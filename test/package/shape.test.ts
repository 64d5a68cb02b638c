/**
 * The size of things. When a number hurts, the design is speaking.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, test } from 'vitest';
import { isTestFile, lineOf, pathsUnder, readSourceFile } from '../support/source-file.ts';
import type { SourceFile } from '../support/source-file.ts';

const limits = { fileLines: 400, functionLines: 60, lineColumns: 100 };

const folders = ['src', 'test', 'examples', 'bench', 'scripts'].filter((name) => existsSync(name));
const paths = folders.flatMap(pathsUnder);

test('there is something to check', () => {
  assert.ok(
    paths.some((path) => path.startsWith('src/')),
    'no file was found under src/',
  );
});

describe('each file', () => {
  test.each(paths)('%s', (path) => {
    const file = readSourceFile(path);
    const wrong = [...fileSize(file), ...lines(file), ...functions(file), ...opening(file)];
    if (isTestFile(path)) wrong.push(...switchedOff(file));
    assert.deepEqual(wrong, [], path);
  });
});

function fileSize({ text }: SourceFile): string[] {
  const count = text.trimEnd().split('\n').length;
  return count <= limits.fileLines ? [] : [`has ${count} lines, at most ${limits.fileLines}`];
}

function lines({ text, comments }: SourceFile): string[] {
  const long = text.split('\n').flatMap((line, index) => {
    // The formatter keeps a test's sentence on the line of its call.
    if (/^ *test\('.*', (async )?\(\) => \{$/.test(line)) return [];
    const columns = Array.from(line).length;
    return columns <= limits.lineColumns ? [] : [`line ${index + 1} has ${columns} columns`];
  });
  const unfinished = comments
    .filter(({ value }) => /\b(TODO|FIXME|XXX)\b/.test(value))
    .map(({ start }) => `line ${lineOf(text, start)} is unfinished`);
  return [...long, ...unfinished];
}

/**
 * Lines of its own: a function inside another counts for itself and leaves one line in its owner,
 * so that a factory is not as long as everything it holds.
 */
function functions({ path, text, nodes }: SourceFile): string[] {
  if (isTestFile(path)) return [];
  const found = nodes
    .filter(({ type }) => /^(FunctionDeclaration|FunctionExpression|Arrow)/.test(type))
    .map(({ start, end }) => ({ first: lineOf(text, start), last: lineOf(text, end) }));
  return found.flatMap((outer) => {
    const inside = found.filter((one) => one.first > outer.first && one.last <= outer.last);
    const outermost = inside.filter(
      (one) => !inside.some((other) => other.first < one.first && one.last <= other.last),
    );
    const held = outermost.reduce((sum, { first, last }) => sum + last - first, 0);
    const count = outer.last - outer.first + 1 - held;
    if (count <= limits.functionLines) return [];
    return [`line ${outer.first} opens a function of ${count} lines`];
  });
}

function opening({ text }: SourceFile): string[] {
  return /^(#!.*\n)?\/\*\*?\s/.test(text) ? [] : ['does not open with a comment'];
}

function switchedOff({ text, nodes }: SourceFile): string[] {
  return nodes
    .filter(({ type, start, end }) => {
      const code = text.slice(start, end);
      return (
        type === 'MemberExpression' &&
        /^(test|it|describe|suite)\b.*\.(skip|only|todo)$/s.test(code)
      );
    })
    .map(({ start }) => `line ${lineOf(text, start)} switches a test on or off`);
}
