/** `malote.config.ts`: found upward from where one stands, or named; loaded, and checked. */

import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { optionInvalid, optionUnknown } from '../errors.ts';
import { MaloteError } from '../index.ts';
import { isMaloteError } from './exit-code.ts';
import type { Config } from './index.ts';

type Create = 'if-missing' | 'never';

export const configNames = [
  'malote.config.ts',
  'malote.config.mts',
  'malote.config.js',
  'malote.config.mjs',
] as const;

/**
 * Loads the configuration, and goes to its folder: what its paths mean does not depend on where
 * one stands.
 *
 * @param create - whether the engines may make what is not there, such as a file
 *
 * @throws MaloteError `CONFIG_MISSING`, `CONFIG_INVALID`
 */
export async function loadConfig(named: string | undefined, create: Create): Promise<Config> {
  const file = named === undefined ? nearest(process.cwd()) : resolve(named);
  if (named !== undefined && !existsSync(file)) {
    throw new MaloteError('CONFIG_MISSING', `--config names ${file}, which does not exist`);
  }
  process.chdir(dirname(file));
  try {
    const { default: config } = (await import(pathToFileURL(file).href)) as { default?: unknown };
    return check(config, create);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new MaloteError('CONFIG_INVALID', `${file} cannot be used: ${said}`, { cause: error });
  }
}

function nearest(start: string): string {
  for (let folder = start; ; folder = dirname(folder)) {
    for (const name of configNames) {
      const file = join(folder, name);
      if (existsSync(file)) return file;
    }
    if (folder === dirname(folder)) break;
  }
  throw new MaloteError(
    'CONFIG_MISSING',
    `there is no ${configNames[0]} in ${start} or above; write one that names the engine ` +
      '(docs/cli.md shows it), or give --config FILE',
  );
}

const known = ['engine', 'store', 'messages'];

function check(config: unknown, create: Create): Config {
  if (typeof config !== 'object' || config === null) {
    throw optionInvalid('its default export', 'made by defineConfig({ engine, … })', config);
  }
  for (const name of Object.keys(config)) {
    if (!known.includes(name)) throw optionUnknown('defineConfig', name, known);
  }
  const { engine, store, messages = [] } = config as Record<string, unknown>;
  if (!isEngine(engine)) throw engineExpected('engine', engine);
  if (store !== undefined && !isEngine(store)) throw engineExpected('store', store);
  if (!Array.isArray(messages) || !messages.every(isMessageType)) {
    throw optionInvalid('messages', 'a list of types made by message()', messages);
  }
  const { engine: given, store: stored, ...rest } = config as Config;
  const opening = stored === undefined ? {} : { store: opened(stored, create) };
  return { ...rest, engine: opened(given, create), ...opening };
}

/** What an engine cannot be opened with, such as a path, was given here and nowhere else. */
function opened(engine: Config['engine'], create: Create): Config['engine'] {
  return {
    name: engine.name,
    address: engine.address,
    capabilities: engine.capabilities,
    examine: () => engine.examine(),
    async open(host) {
      try {
        return await engine.open({ ...host, create });
      } catch (error) {
        if (!isMaloteError(error) || !error.code.startsWith('OPTION_')) throw error;
        throw new MaloteError('CONFIG_INVALID', error.message, { cause: error });
      }
    },
  };
}

function engineExpected(where: string, got: unknown): MaloteError {
  return optionInvalid(where, 'an engine, such as sqlite("app.db")', got);
}

function isEngine(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'open' in value && 'capabilities' in value;
}

function isMessageType(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'schema' in value && 'version' in value;
}
