/** The README shows the quick start as it is, with what it prints; examples hold it to that. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'vitest';

const readme = readFileSync('README.md', 'utf8');

test('the quick start is the file, word for word, with its output', () => {
  const example = readFileSync('examples/quick-start.ts', 'utf8');
  const outputAt = example.lastIndexOf('\n\n//');
  const code = example.slice(0, outputAt).trim();
  const output = example
    .slice(outputAt)
    .trim()
    .replaceAll(/^\/\/ ?/gm, '');
  assert.ok(readme.includes(`\`\`\`ts\n${code}\n\`\`\``), 'the code differs');
  assert.ok(readme.includes(`\`\`\`text\n${output}\n\`\`\``), 'the output differs');
});

test('every link leads somewhere', () => {
  const pages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'];
  for (const page of pages) {
    const links = readFileSync(page, 'utf8').matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g);
    for (const [, target] of links) assert.ok(existsSync(target!), `${page}: ${target}`);
  }
});
