/** What stands behind `main.ts` on the command line: roles, or traffic for all of them. */
import { parseArgs } from 'node:util';
import { allRoles, type Role } from './serve.ts';

export interface Command {
  readonly roles: readonly Role[];
  /** Null: the service waits for yours. */
  readonly traffic: Traffic | null;
}

export interface Traffic {
  readonly payments: number;
  /** Whether to end after the ledger check, or to go on serving. */
  readonly exit: boolean;
  /** Decides who pays what, and when. */
  readonly seed: number;
}

const options = {
  traffic: { type: 'string' },
  seed: { type: 'string', default: '1' },
  exit: { type: 'boolean', default: false },
} as const;

const usage = `Usage: npm start                                  everything in one process
       npm start -- --traffic 5000 [--exit]       traffic, kills, and a ledger check
       npm run app | relay | worker | rates       one role
Its settings are in the environment: examples/payments/settings.ts lists them.`;

const most = 1_000_000;

export function readCommand(args: readonly string[]): Command {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    checkOptions(args);
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const roles = positionals.length === 0 ? allRoles : positionals.map(roleNamed);
    if (values.traffic === undefined) {
      if (values.exit) throw new Error('--exit goes with --traffic, as in: --traffic 5000 --exit');
      return { roles, traffic: null };
    }
    const [payments, seed] = [whole('traffic', values.traffic), whole('seed', values.seed)];
    return { roles, traffic: { payments, seed, exit: values.exit } };
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

/** Of a misspelt option, which one was meant. What else is wrong with them `parseArgs` says. */
function checkOptions(args: readonly string[]): void {
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind !== 'option' || token.name in options) continue;
    const meant = Object.keys(options).find((name) => name.startsWith(token.name.slice(0, 2)));
    const hint = meant === undefined ? '' : `; did you mean "--${meant}"?`;
    throw new Error(`there is no option "${token.rawName}"${hint}`);
  }
}

function roleNamed(name: string): Role {
  const role = allRoles.find((one) => one === name);
  if (role === undefined) throw new Error(`there is no role "${name}"`);
  return role;
}

function whole(name: string, text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= 1 && number <= most) return number;
  throw new Error(`--${name} must be a whole number from 1 to ${most}, got "${text}"`);
}
