/** Which dead letters are meant: the same options for looking at them and for sending them back. */

import { optionInvalid } from '../errors.ts';
import type { Bus, Duration } from '../index.ts';
import type { Given, OptionRule } from './command.ts';

type Selection = Omit<
  NonNullable<Parameters<Bus['dead']['list']>[0]>,
  'subscription' | 'cursor' | 'limit'
>;

export const selectionOptions: Readonly<Record<string, OptionRule>> = {
  type: { value: 'TYPE', repeats: true, about: 'of that type' },
  reason: { value: 'REASON', repeats: true, about: 'dead for that reason, such as crashed' },
  failure: { value: 'NAME', about: 'whose last failure has that name' },
  key: { value: 'KEY', about: 'of that key' },
  since: { value: 'TIME', about: 'died since 2026-11-21T12:00Z, or 2h for two hours ago' },
  until: { value: 'TIME', about: 'died before then' },
};

export function selectionOf({ value, values }: Given): Selection {
  const [failure, key, since, until] = ['failure', 'key', 'since', 'until'].map(value);
  const [types, reasons] = [values('type'), values('reason')];
  return {
    ...(types.length === 0 ? {} : { type: types }),
    ...(reasons.length === 0 ? {} : { reason: reasons as NonNullable<Selection['reason']> }),
    ...(failure === undefined ? {} : { failure }),
    ...(key === undefined ? {} : { key }),
    ...(since === undefined ? {} : { since: timeOf('--since', since) }),
    ...(until === undefined ? {} : { until: timeOf('--until', until) }),
  };
}

/** A time as ISO 8601 writes it, or how long ago it was. */
function timeOf(option: string, given: string): Date | Duration {
  if (/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(given)) return given as Duration;
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d.*)?$/.test(given);
  const at = isTime ? Date.parse(given) : Number.NaN;
  if (!Number.isNaN(at)) return new Date(at);
  const expected = 'a time such as 2026-11-21T12:00Z, or a duration such as 2h for so long ago';
  throw optionInvalid(option, expected, given);
}
