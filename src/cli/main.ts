/** The command line from the first argument to the exit code. Nothing here knows an engine. */

import { readFileSync } from 'node:fs';
import { optionInvalid } from '../errors.ts';
import { createBus, type Bus, type MaloteError, type PinoLike } from '../index.ts';
import { type Call, type Command, type Given, nameOf } from './command.ts';
import { commands } from './commands.ts';
import { loadConfig } from './config.ts';
import { type Ending, endingOf, exitCodes, isMaloteError } from './exit-code.ts';
import { help } from './help.ts';
import type { Config } from './index.ts';
import { createInterruption } from './interruption.ts';
import { createOutput, type Output } from './output.ts';
import { parse, type Parsed } from './parse.ts';

/** Ends the process: a configuration may hold connections that would keep it alive. */
export async function main(argv: readonly string[]): Promise<void> {
  const output = createOutput(wantsJson(argv));
  const end = (ending: Ending): never => {
    output.progress(null);
    process.exit(exitCodes[ending]);
  };
  const interruption = createInterruption(() => end('interrupted'));
  // Who reads has seen enough, as `head` has.
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    end(code === 'EPIPE' ? 'done' : 'failed');
  });
  process.stderr.on('error', () => {});
  const failed = (error: unknown): Ending => fail(error, output);
  process.on('uncaughtException', (error) => end(failed(error)));
  const ending = await run(argv, { output, interruption }).catch(failed);
  process.stdout.write('', () => end(ending));
}

/** Known before anything is understood: what is not, is said in JSON too. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end === -1 ? argv.length : end).includes('--json');
}

type Surroundings = Pick<Call, 'output' | 'interruption'>;

async function run(argv: readonly string[], around: Surroundings): Promise<Ending> {
  const parsed = understood(argv, around.output);
  if (parsed === null) return 'usage';
  if (parsed.kind === 'version') {
    process.stdout.write(`${version()}\n`);
    return 'done';
  }
  if (parsed.kind === 'run') return await execute(parsed.command, parsed.given, around);
  if (!parsed.asked && around.output.json) throw commandMissing(parsed.about);
  const stream = parsed.asked ? process.stdout : process.stderr;
  stream.write(help(parsed.about));
  return parsed.asked ? 'done' : 'usage';
}

/** Null where it was not: that is wrong use. */
function understood(argv: readonly string[], output: Output): Parsed | null {
  try {
    return parse(argv, commands);
  } catch (error) {
    fail(error, output);
    if (output.json) return null;
    output.words('malote --help lists the commands, malote COMMAND --help its options');
    return null;
  }
}

function commandMissing(about: readonly Command[]): MaloteError {
  const [word = ''] = about[0]?.words ?? [];
  const names = about.map(nameOf).join(', ');
  return optionInvalid(`malote ${word}`, `completed to one of ${names}`, word);
}

async function execute(command: Command, given: Given, around: Surroundings): Promise<Ending> {
  const config = await loadConfig(given.value('config'), command.creates ? 'if-missing' : 'never');
  const { output } = around;
  const { name, capabilities } = config.engine;
  if (capabilities.processes === 'one') {
    output.words(`the ${name} engine lives in one process: what others hold is not seen from here`);
  }
  const bus = busOf(config, output);
  try {
    return await command.run({ bus, config, given, ...around });
  } finally {
    await bus.stop();
  }
}

function busOf({ engine, store }: Config, output: Output): Bus {
  const rest = { logger: warningsTo(output), handleSignals: false };
  if (store === undefined) return createBus({ engine, ...rest });
  return createBus({ engine, store, relay: false, ...rest });
}

function fail(error: unknown, output: Output): Ending {
  const message = error instanceof Error ? error.message : String(error);
  const { code = null, id } = isMaloteError(error) ? error : {};
  output.problem({ code, message, ...(id === undefined ? {} : { id }) });
  return endingOf(error);
}

/** What the bus warns of, as words. */
function warningsTo(output: Output): PinoLike {
  const warn = (fields: object, sentence: string): void => {
    const detail = 'message' in fields ? `: ${String(fields.message)}` : '';
    output.words(`${sentence}${detail}`);
  };
  return {
    debug: () => {},
    info: () => {},
    warn,
    error: warn,
    isLevelEnabled: (level) => level === 'warn' || level === 'error',
  };
}

function version(): string {
  const manifest = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
