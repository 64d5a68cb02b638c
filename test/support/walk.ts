/** The commands of a page and what it shows below them, to be held against what they print. */

export interface Step {
  readonly line: string;
  readonly output: string;
}

/** The fenced blocks of a language. */
export function blocksOf(page: string, language: string): string[] {
  const found = page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'));
  return [...found].map((match) => match[1]!);
}

/** Each command of a block, `$ …`, with what stands below it. */
export function stepsOf(block: string): Step[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const [line = '', ...output] = step.split('\n');
      return { line, output: timeless(output.join('\n')) };
    });
}

export function timeless(text: string): string {
  return text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z|\d\d-\d\d [\d:]+Z/g, 'TIME');
}

/** The same command at a terminal of 80 columns, as `script` of util-linux makes it. */
export function atEighty(line: string): string {
  const inner = `stty cols 80 -echo; ${line}`.replaceAll("'", `'\\''`);
  return `script -qec '${inner}' /dev/null`;
}
