/** What the program can be asked to do, and what it answers to anything else. */
import { registryPath } from './registry.ts';

export type Command =
  | { readonly name: 'p' | 'c'; readonly customerId: string }
  | { readonly name: 'consumer'; readonly delay: boolean };

const usage = `Usage: npm run before-customers -- COMMAND

  p CUSTOMER          publish one payment of this customer ("producer p CUSTOMER" as well)
  c CUSTOMER          publish the registration of this customer ("producer c CUSTOMER" as well)
  consumer            process both: a payment is released the moment its customer is registered
  consumer --delay    the same by retries: after 1 s, 2 s, 3 s ... until the customer is registered

MALOTE_ENGINE names the engine: sqlite:data/before-customers.db if not set. It remembers which
customers are registered, for --delay ${registryPath} does: remove data/ to forget.
RabbitMQ remembers them in the namespace "before-customers", or MALOTE_NAMESPACE.`;

/** Prints what is wrong and ends with 2 where the arguments make no command. */
export function commandOf([name = '', ...rest]: readonly string[]): Command {
  if ([name, ...rest].some((argument) => ['help', '--help', '-h'].includes(argument))) {
    console.log(usage);
    process.exit(0);
  }
  if (name === 'producer') {
    const [what = ''] = rest;
    if (what === 'p' || what === 'c') return commandOf(rest);
    return refuse('"producer" takes p or c, and one customer, such as: producer p 5');
  }
  if (name === 'p' || name === 'c') {
    const [customerId = ''] = rest;
    if (/^[^-]/.test(customerId) && rest.length === 1) return { name, customerId };
    return refuse(`"${name}" takes one customer, such as: ${name} 5`);
  }
  if (name === 'consumer') {
    if (rest.length === 0) return { name, delay: false };
    if (rest.length === 1 && rest[0] === '--delay') return { name, delay: true };
    return refuse(`"consumer" takes no more than --delay, got "${rest.join(' ')}"`);
  }
  const nearest = nearestTo(name.toLowerCase());
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  return refuse(name === '' ? 'a command is missing' : `there is no command "${name}"${hint}`);
}

function refuse(problem: string): never {
  console.error(`${problem}\n\n${usage}`);
  process.exit(2);
}

/** The command whose word begins like this one: "pay" means p, "consume" means consumer. */
function nearestTo(given: string): string | undefined {
  const words = { p: 'payment', c: 'customer', consumer: 'consumer', producer: 'producer' };
  const common = (word: string): number => {
    let length = 0;
    while (length < word.length && word[length] === given[length]) length += 1;
    return length;
  };
  const [best] = Object.entries(words).toSorted(([, a], [, b]) => common(b) - common(a));
  return best !== undefined && common(best[1]) > 0 ? best[0] : undefined;
}
