/** Help, made from the table of commands: what is not in the table cannot be in the help. */

import { type Command, commonOptions, nameOf, type OptionRule, type Operand } from './command.ts';
import { columnsOf } from './table.ts';

/** Of all commands, of a group, or of the one that is left. */
export function help(commands: readonly Command[]): string {
  const [only] = commands;
  return commands.length === 1 && only !== undefined ? one(only) : many(commands);
}

function many(commands: readonly Command[]): string {
  const rows = commands.map((command) => [usage(command), command.about]);
  return [
    'Usage: malote COMMAND [OPTIONS]',
    '',
    ...indented(rows),
    '',
    'Each takes --json, --config FILE and --help. The engine, the store and the',
    'messages are named by the nearest malote.config.ts. Data goes to standard',
    'output, words to standard error; the exit codes are in docs/cli.md.',
    '',
  ].join('\n');
}

function one(command: Command): string {
  const options = Object.entries({ ...command.options, ...commonOptions });
  return [
    `Usage: malote ${usage(command)} [OPTIONS]`,
    '',
    command.about,
    '',
    ...indented([
      ...command.operands.map(({ name, about }) => [name, about]),
      ...options.map(([name, rule]) => [spelt(name, rule), rule.about]),
    ]),
    ...(command.examples.length === 0 ? [] : ['', 'Examples:', '']),
    ...command.examples.flatMap((example) => wrapped(`  malote ${example}`)),
    '',
  ].join('\n');
}

/** As most terminals open. */
export const narrowest = 80;

/** A command that can be copied as it stands: a line that is too long goes on before an option. */
function wrapped(line: string): string[] {
  const lines: string[] = [];
  const [command = '', ...options] = line.split(/ (?=--)/);
  let current = command;
  for (const option of options) {
    // Room for what says that it goes on.
    if (`${current} ${option} \\`.length < narrowest) {
      current += ` ${option}`;
      continue;
    }
    lines.push(`${current} \\`);
    current = `    ${option}`;
  }
  return [...lines, current];
}

function usage(command: Command): string {
  return [nameOf(command), ...command.operands.map(operand)].join(' ');
}

function operand({ name, count }: Operand): string {
  return count === 'many' ? `[${name}...]` : name;
}

function spelt(name: string, { value }: OptionRule): string {
  return value === undefined ? `--${name}` : `--${name} ${value}`;
}

function indented(rows: readonly (readonly string[])[]): string[] {
  const widths = columnsOf(rows);
  return rows.map((row) =>
    `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd(),
  );
}
