/** From what stands on the command line to a command and what it was given, or a sentence. */

import { parseArgs } from 'node:util';
import { commandUnknown, optionInvalid, optionMissing, optionUnknown } from '../errors.ts';
import type { MaloteError } from '../index.ts';
import { type Command, commonOptions, type Given, nameOf, type OptionRule } from './command.ts';

export type Parsed =
  | { readonly kind: 'run'; readonly command: Command; readonly given: Given }
  /** `asked`: whether help was wanted, or is what comes of leaving something out. */
  | { readonly kind: 'help'; readonly about: readonly Command[]; readonly asked: boolean }
  | { readonly kind: 'version' };

/** @throws MaloteError `OPTION_UNKNOWN`, `OPTION_INVALID` */
export function parse(written: readonly string[], commands: readonly Command[]): Parsed {
  const argv = commandFirst(written);
  const [first] = argv;
  if (first === undefined) return { kind: 'help', about: commands, asked: false };
  if (first === '--version') return { kind: 'version' };
  if (first === '--help' || first === '-h') return { kind: 'help', about: commands, asked: true };
  const end = argv.findIndex((argument) => argument.startsWith('-'));
  const words = argv.slice(0, end === -1 ? argv.length : end);
  if (first === 'help') return helpFor(words.slice(1), commands);
  if (words.length === 0) throw commandExpected(first, commands);
  const found = find(words, commands);
  const asked = isHelp(argv.slice(words.length));
  if (Array.isArray(found)) return { kind: 'help', about: found, asked };
  if (asked) return { kind: 'help', about: [found], asked };
  return { kind: 'run', command: found, given: read(found, argv.slice(found.words.length)) };
}

/** What every command takes may stand before it: `malote --config FILE topics`. */
function commandFirst(argv: readonly string[]): readonly string[] {
  let leading = 0;
  for (;;) {
    const [name = '', value] = (argv[leading] ?? '').split('=', 2);
    if (name !== '--json' && name !== '--config') break;
    leading += name === '--config' && value === undefined ? 2 : 1;
  }
  const rest = argv.slice(leading);
  const options = rest.findIndex((argument) => argument.startsWith('-'));
  if (options === 0) return [...rest, ...argv.slice(0, leading)];
  const end = options === -1 ? rest.length : options;
  return [...rest.slice(0, end), ...argv.slice(0, leading), ...rest.slice(end)];
}

/** An option stands where a command must; one that no command has is itself the mistake. */
function commandExpected(given: string, commands: readonly Command[]): MaloteError {
  const [, name = ''] = /^-+([^=]*)/.exec(given) ?? [];
  const known = commands.flatMap(({ options }) => Object.keys({ ...options, ...commonOptions }));
  const alone = [...Object.keys(commonOptions), 'version'];
  if (!known.includes(name)) return optionUnknown('malote', name, alone);
  return optionInvalid('malote', 'given a command first, such as "malote topics"', given);
}

function helpFor(words: readonly string[], commands: readonly Command[]): Parsed {
  const found = words.length === 0 ? [...commands] : find(words, commands);
  return { kind: 'help', about: [found].flat(), asked: true };
}

function isHelp(rest: readonly string[]): boolean {
  const end = rest.indexOf('--');
  const options = end === -1 ? rest : rest.slice(0, end);
  return options.includes('--help') || options.includes('-h');
}

/** The command, or those of a group whose second word is missing. */
function find(words: readonly string[], commands: readonly Command[]): Command | Command[] {
  const found = commands.find((one) => one.words.every((word, index) => word === words[index]));
  if (found !== undefined) return found;
  const group = commands.filter((one) => one.words[0] === words[0]);
  if (group.length > 0 && words.length === 1) return group;
  if (group.length > 0) throw unknown(words.slice(0, 2).join(' '), group);
  throw unknown(words[0] ?? '', commands);
}

function unknown(name: string, commands: readonly Command[]): MaloteError {
  const known = commands.map((one) => (name.includes(' ') ? nameOf(one) : (one.words[0] ?? '')));
  const second = commands.find(({ words: [, word] }) => word === name);
  return commandUnknown(name, [...new Set(known)], second && nameOf(second));
}

function read(command: Command, rest: readonly string[]): Given {
  const where = nameOf(command);
  const rules = { ...command.options, ...commonOptions };
  const options = Object.fromEntries(
    Object.entries(rules).map(([name, { value }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  const parsed = { args: [...rest], options, strict: false, allowPositionals: true, tokens: true };
  const { tokens } = parseArgs(parsed as typeof parsed & { tokens: true });
  const operands: string[] = [];
  const values = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const value = valueOf(where, rules, token);
    values.set(token.name, [...(values.get(token.name) ?? []), value]);
  }
  for (const [name, { length }] of values) {
    if (length > 1 && rules[name]?.repeats !== true) {
      throw optionInvalid(`${where}: --${name}`, 'given once', length);
    }
  }
  checkOperands(where, command, operands);
  return {
    operands,
    values: (name) => values.get(name) ?? [],
    value: (name) => values.get(name)?.[0],
    has: (name) => values.has(name),
  };
}

interface OptionToken {
  readonly name: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function valueOf(
  where: string,
  rules: Readonly<Record<string, OptionRule>>,
  { name, value, inlineValue }: OptionToken,
): string {
  const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (rule === undefined) throw optionUnknown(where, name, Object.keys(rules));
  if (rule.value === undefined) {
    if (value === undefined) return '';
    throw optionInvalid(`${where}: --${name}`, 'given without a value', value);
  }
  const isNext = inlineValue !== true && value?.startsWith('--') === true;
  if (value !== undefined && value !== '' && !isNext) return value;
  const [whose, expected] = [`${where}: --${name}`, `followed by ${rule.value}`];
  throw value === undefined
    ? optionMissing(whose, expected, 'nothing')
    : optionInvalid(whose, expected, value);
}

function checkOperands(where: string, command: Command, given: readonly string[]): void {
  const { operands } = command;
  const missing = operands[given.length];
  if (missing !== undefined && missing.count !== 'many') {
    throw optionMissing(where, `followed by ${missing.name}, ${missing.about}`, 'nothing');
  }
  const endless = operands.at(-1)?.count === 'many';
  const surplus = endless ? undefined : given[operands.length];
  if (surplus === undefined) return;
  const names = operands.map(({ name }) => name).join(' ');
  const expected = names === '' ? 'given no operand' : `given ${names} and no more`;
  throw optionInvalid(where, expected, surplus);
}
