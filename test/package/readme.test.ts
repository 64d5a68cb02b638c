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

/** Lines of a terminal, or of a page before anybody scrolls. */
const screen = 24;

test('the first screen has the promise, both commands and a real run', () => {
  const shown = readme.split('\n').slice(0, screen).join('\n');

  assert.match(shown, /^\*\*Race-free message processing for TypeScript\.\*\*/m);
  assert.match(shown, /^npm ci && npm start\b/m);
  assert.match(shown, /^npm ci && npm test\b/m);
  assert.match(shown, /^```text\n(?:.+\n)+```$/m);
});

test('the first page names every engine there is', () => {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: object };
  const entries = Object.keys(exports).map((entry) => entry.slice(2));
  const engines = entries.filter((entry) => existsSync(`src/transports/${entry}`));
  assert.ok(engines.includes('sqlite'));

  const line = /^Engines: .*$/m.exec(readme)?.[0].toLowerCase() ?? '';

  for (const engine of engines) assert.ok(line.includes(engine), `README: Engines: … ${engine}`);
});

test('every link leads somewhere', () => {
  const pages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'];
  for (const page of pages) {
    const links = readFileSync(page, 'utf8').matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g);
    for (const [, target] of links) assert.ok(existsSync(target!), `${page}: ${target}`);
  }
});
