/**
 * Draws what the traffic run of the payments example prints: `npm run picture` runs it and writes
 * the picture in the README. Plain SVG, made from the colours of the terminal, so that it cannot
 * show what the program does not say.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

export const pictureFile = 'docs/images/traffic.svg';
export const trafficArguments: readonly string[] = ['--traffic', '5000', '--exit'];

const cell = { width: 8.4, height: 20 };
const margin = 24;
const ink = '#e6edf3';

/** How a terminal shows what it is told by `ESC [ code m`. */
const styles: Readonly<Record<string, string>> = {
  1: 'font-weight="bold"',
  2: 'fill="#8b949e"',
  31: 'fill="#ff7b72"',
  32: 'fill="#7ee787"',
  33: 'fill="#e3b341"',
};
const ends = new Set(['0', '22', '39']);
const code = new RegExp(`${String.fromCharCode(27)}\\[(\\d+)m`);

/** @param output - of a run, with its colours */
export function draw(output: string): string {
  const command = `\u001b[2m$\u001b[22m npm start -- ${trafficArguments.join(' ')}`;
  const lines = [command, '', ...output.trimEnd().split('\n')];
  const columns = Math.max(...lines.map((line) => stripVTControlCharacters(line).length));
  const width = Math.ceil(columns * cell.width + 2 * margin);
  const height = lines.length * cell.height + 2 * margin;
  const texts = lines.map((line, row) => {
    const y = margin + (row + 0.75) * cell.height;
    return line === '' ? '' : `  <text x="${margin}" y="${y}">${spans(line)}</text>\n`;
  });
  const font = 'ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" \
viewBox="0 0 ${width} ${height}" font-family="${font}" font-size="14" fill="${ink}" \
xml:space="preserve">
  <rect width="${width}" height="${height}" rx="10" fill="#0d1117"/>
${texts.join('')}</svg>
`;
}

function spans(line: string): string {
  let style = '';
  const parts = line.split(code);
  return parts
    .map((part, index) => {
      if (index % 2 === 1) {
        style = ends.has(part) ? '' : (styles[part] ?? '');
        return '';
      }
      return style === '' || part === ''
        ? escaped(part)
        : `<tspan ${style}>${escaped(part)}</tspan>`;
    })
    .join('');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function run(): string {
  const folder = mkdtempSync(join(tmpdir(), 'malote-picture-'));
  const main = resolve('examples/payments/main.ts');
  const { PORT: _, MALOTE_ENGINE: __, MALOTE_STORE: ___, ...environment } = process.env;
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--conditions=malote-source', main, ...trafficArguments],
    { cwd: folder, env: { ...environment, FORCE_COLOR: '1' }, encoding: 'utf8' },
  );
  rmSync(folder, { recursive: true });
  if (status !== 0) throw new Error(`the run ended with ${status}:\n${stdout}`);
  return stdout;
}

if (import.meta.main) {
  mkdirSync(dirname(pictureFile), { recursive: true });
  writeFileSync(pictureFile, draw(run()));
  console.log(`wrote ${pictureFile}`);
}
