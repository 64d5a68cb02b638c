/**
 * Every error code is explained, and nothing else is: `docs/errors.md` and `ErrorCode` agree.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'vitest';
import { isTestFile, readSourceFile, sourceFilesUnder } from '../support/source-file.ts';

const codes = errorCodes();
const sections = new Map(
  readFileSync('docs/errors.md', 'utf8')
    .split(/^### /m)
    .slice(1)
    .map((section) => {
      const [code = '', ...text] = section.split('\n');
      return [code.replaceAll('`', '').trim(), text.join('\n')];
    }),
);

test('the documented codes are the codes of ErrorCode', () => {
  assert.ok(codes.length > 0, 'no code was found in src/errors.ts');
  assert.deepEqual([...sections.keys()].toSorted(), codes.toSorted());
});

describe('each code has its meaning, cause and cure', () => {
  test.each(codes)('%s', (code) => {
    for (const part of ['Meaning', 'Cause', 'Cure']) {
      assert.match(sections.get(code) ?? '', new RegExp(`\\b${part}\\b`, 'i'), `${code}: ${part}`);
    }
  });
});

test('every code is used', () => {
  const uses = sourceFilesUnder('src')
    .filter(({ path }) => !isTestFile(path))
    .flatMap(({ text }) => [...text.matchAll(/'([A-Z][A-Z_]+)'/g)].map((match) => match[1]));
  const unused = codes.filter((code) => uses.filter((use) => use === code).length < 2);
  assert.deepEqual(unused, [], 'declared, but nothing raises it');
});

/** The string literals of `type ErrorCode = 'A' | 'B'`. */
function errorCodes(): string[] {
  const { nodes, text } = readSourceFile('src/errors.ts');
  const alias = nodes.find(
    ({ type, fields }) =>
      type === 'TSTypeAliasDeclaration' && (fields['id'] as { name?: string }).name === 'ErrorCode',
  );
  assert.ok(alias !== undefined, 'src/errors.ts declares no type ErrorCode');
  return nodes
    .filter(({ type, start, end }) => {
      return type === 'TSLiteralType' && start >= alias.start && end <= alias.end;
    })
    .map(({ start, end }) => text.slice(start + 1, end - 1));
}
