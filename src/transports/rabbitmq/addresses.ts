/** The addresses of a server, or of the servers of a cluster: checked, compared and shown. */

import { optionInvalid } from '../../errors.ts';

/** @throws MaloteError `OPTION_INVALID` */
export function addressesOf(given: unknown): readonly string[] {
  const urls: readonly unknown[] = Array.isArray(given) ? given : [given];
  const isWrong = (url: unknown): boolean => typeof url !== 'string' || !isAddress(url);
  if (urls.length === 0 || urls.some(isWrong)) {
    const rule = 'an address like amqp://user:password@host/vhost, or a list of such';
    const got = urls.length === 0 ? urls : hide(urls.find(isWrong));
    throw optionInvalid('rabbitmq() url', rule, got);
  }
  const addresses = urls as readonly string[];
  const vhosts = [...new Set(addresses.map((url) => new URL(url).pathname))];
  if (vhosts.length > 1) {
    const rule = 'addresses of one cluster, with the same virtual host';
    throw optionInvalid('rabbitmq() url', rule, hide(addresses));
  }
  return addresses;
}

function isAddress(url: string): boolean {
  if (!/^amqps?:\/\//.test(url) || !URL.canParse(url)) return false;
  const { hostname, pathname } = new URL(url);
  // Several in one text, and a password with a "/" that was not encoded.
  return hostname !== '' && !hostname.includes(',') && !pathname.includes('@');
}

interface Place {
  readonly urls: readonly string[];
  readonly namespace: string;
}

/** Equal for engines that reach the same messages, whoever they log in as. */
export function addressOf({ urls, namespace }: Place): string {
  const hosts = urls.map((url) => {
    const { hostname, port, protocol } = new URL(url);
    const usual = protocol === 'amqps:' ? '5671' : '5672';
    return `${hostname}:${port === '' ? usual : port}`;
  });
  const { pathname } = new URL(urls[0]!);
  return `rabbitmq:${hosts.toSorted().join(',')}${pathname}#${namespace}`;
}

/**
 * An address, or several, as an error may show it: without passwords. Of what is no address, and
 * may have one somewhere, only the beginning.
 */
export function hide(url: unknown): string {
  if (Array.isArray(url)) return url.map(hide).join(', ');
  const text = String(url);
  if (!text.includes('@')) return text;
  if (!isAddress(text)) return `${/^[a-z]*/.exec(text)![0]}…`;
  const { protocol, username, password, host, pathname } = new URL(text);
  return `${protocol}//${username}${password === '' ? '' : ':…'}@${host}${pathname}`;
}
