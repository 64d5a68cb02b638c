/** What a run says in the end: short, and only what was counted. */
import { styleText } from 'node:util';
import type { Books, Finding } from './check.ts';
import type { Plan } from './plan.ts';

export interface Run {
  readonly plan: Plan;
  readonly books: Books;
  readonly findings: readonly Finding[];
  /** Processes killed on the way. */
  readonly killed: readonly string[];
  readonly rates: { readonly succeeded: number; readonly allowed: number; readonly ttl: string };
  readonly seconds: number;
  readonly folder: string;
}

type Style = Parameters<typeof styleText>[0];

const most = 5;

const cast = 'app, two relays, two workers, rates: six processes';
export const greeting = `${styleText('bold', 'malote payments')}  ${cast}\n`;

export function report(run: Run): string {
  const { books, plan, killed, rates, findings, seconds } = run;
  const lines = [
    row('sent', books.accepted.length, `payments of ${number(plan.customers)} customers`),
    row('', plan.repeated, 'of them twice, with the same id'),
    row('', plan.early, 'before their customer: they waited'),
    row('killed', killed.length, `processes by SIGKILL, on the way: ${killed.join(', ')}`),
    '',
    row('booked', books.bookings.length, 'once each, in order per customer, in EUR', 'green'),
    ...deathRows(books.dead),
    row(
      'rates',
      rates.succeeded,
      `calls by all workers; one per ${rates.ttl} allows ${rates.allowed}`,
    ),
    '',
    ...(findings.length === 0 ? verdict(books) : findings.map(told)),
    styleText('dim', `  ${seconds.toFixed(1)} s; each process has a log in ${run.folder}`),
  ];
  return `${lines.join('\n')}\n`;
}

const words: Readonly<Record<string, string>> = {
  'gave-up': 'the card was declined, so no retry',
  'attempts-exhausted': 'the card never answered',
  'dependency-timeout': 'no customer came in time',
};

function deathRows(dead: Books['dead']): string[] {
  const counts = new Map<string, number>();
  for (const { reason } of dead) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .toSorted(([, one], [, other]) => other - one)
    .map(([reason, count], index) =>
      row(
        index === 0 ? 'dead' : '',
        count,
        `${reason}: ${words[reason] ?? 'see its log'}`,
        'yellow',
      ),
    );
}

function verdict({ accepted, bookings, dead }: Books): string[] {
  const sum = `${number(accepted.length)} accepted = ${number(bookings.length)} booked`;
  const text = `${sum} + ${number(dead.length)} dead with a reason`;
  return [
    `${styleText('green', '✔')} ${styleText('bold', text)}`,
    '  lost 0, booked twice 0, out of order 0',
  ];
}

function told({ what, ids }: Finding): string {
  const shown = ids.slice(0, most).join(', ');
  const more = ids.length > most ? `, and ${number(ids.length - most)} more` : '';
  return styleText('red', `✘ ${number(ids.length)} ${what}: ${shown}${more}`);
}

function row(name: string, count: number, text: string, style: Style = 'bold'): string {
  const figure = styleText(style, number(count).padStart(7));
  return `  ${name.padEnd(8)}${figure}  ${text}`;
}

function number(count: number): string {
  return count.toLocaleString('en-US');
}
