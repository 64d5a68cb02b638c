/** What goes wrong with a server, by its name and with the cure. */

import { MaloteError } from '../../errors.ts';
import { hide } from './addresses.ts';

/** Why a connection could not be made. */
export function connectFailure(error: unknown, url: string): MaloteError {
  const said = messageOf(error);
  const where = hide(url);
  if (/ACCESS.REFUSED|Handshake terminated by server: 403|\b403\b/i.test(said)) {
    return new MaloteError(
      'ENGINE_DENIED',
      `${where} refuses this user name and password; check both, and that the user may log in ` +
        'from here ("guest" may only from the server itself)',
      { cause: error },
    );
  }
  // The driver names the frame that came in place of an answer, and not what it says.
  if (/vhost|\b530\b|NOT.ALLOWED|Expected ConnectionOpenOk; got <ConnectionClose/i.test(said)) {
    return new MaloteError(
      'ENGINE_DENIED',
      `${where} names a virtual host that is not there, that this user may not use, or that has ` +
        'as many connections as it may; create it with "rabbitmqctl add_vhost" and ' +
        '"rabbitmqctl set_permissions"',
      { cause: error },
    );
  }
  const trouble = certificateTrouble(error);
  if (trouble !== null) {
    return new MaloteError('ENGINE_DENIED', `${where} ${trouble}`, { cause: error });
  }
  return new MaloteError(
    'ENGINE_UNREACHABLE',
    `${where} does not answer: ${said}; check that the server runs and the port is right`,
    { cause: error },
  );
}

/** What is wrong with a certificate, and whose. */
function certificateTrouble(error: unknown): string | null {
  const { code, reason } = error as { readonly code?: unknown; readonly reason?: unknown };
  const name = typeof code === 'string' ? code : '';
  // The message of OpenSSL names its source files.
  const said = typeof reason === 'string' ? reason : messageOf(error);
  if (name === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `shows a certificate for another name (${said}); connect to one that it is made out to`;
  }
  if (name === 'CERT_HAS_EXPIRED' || name === 'CERT_NOT_YET_VALID') {
    return `shows a certificate that is not valid now (${said}); renew it, and look at the clocks`;
  }
  if (/^(UNABLE_TO_(GET|VERIFY)|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|CERT_UNTRUSTED)/.test(name)) {
    return (
      `shows a certificate of an authority that is not trusted here (${said}); give it the ` +
      'authority: rabbitmq(url, { tls: { ca } })'
    );
  }
  if (
    /^ERR_SSL_.*(ALERT_CERTIFICATE|ALERT_BAD_CERTIFICATE|ALERT_UNKNOWN_CA|HANDSHAKE_FAILURE)/.test(
      name,
    )
  ) {
    return (
      `wants a certificate of this process, and not the one that it was shown, if any (${said}); ` +
      'give one that it trusts: rabbitmq(url, { tls: { cert, key } })'
    );
  }
  if (/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)/.test(name)) {
    return `does not speak TLS (${said}); take its TLS port, or amqp:// in place of amqps://`;
  }
  return null;
}

/** A stream says the second, as a failed precondition, until the server has started its replica. */
const notStarted = /down or inaccessible|does not have a replica on the local node/i;

/** Why a call on a channel failed. */
export function callFailure(error: unknown, doing: string): MaloteError {
  if (error instanceof MaloteError) return error;
  const said = messageOf(error);
  if (notStarted.test(said)) {
    const sentence = `${doing}: the server is still starting, or stops (${said})`;
    return new MaloteError('ENGINE_UNREACHABLE', sentence, { cause: error });
  }
  if (/PRECONDITION.FAILED|inequivalent arg/i.test(said)) {
    return new MaloteError(
      'ENGINE_MISMATCH',
      `${doing}: it is there with other settings (${said}); take the queue type it was made ` +
        'with, or use another namespace',
      { cause: error },
    );
  }
  if (/ACCESS.REFUSED|\b403\b/i.test(said)) {
    return new MaloteError(
      'ENGINE_DENIED',
      `${doing}: this user may not (${said}); allow it to configure, write and read what begins ` +
        'with the namespace',
      { cause: error },
    );
  }
  if (/feature flag/i.test(said)) {
    return new MaloteError(
      'ENGINE_VERSION',
      `${doing}: the server is too old or a feature flag is off (${said}); ` +
        'run "rabbitmqctl enable_feature_flag all"',
      { cause: error },
    );
  }
  if (/Channel (ended|closed|closing)|channel was closed|Connection clos/i.test(said)) {
    return unsure(`${doing}: the connection ended before the server answered`, error, 'done');
  }
  return new MaloteError('ENGINE_FAILED', `${doing} failed: ${said}`, { cause: error });
}

/** What a call answers, or why it has none, by its name. */
export async function named<Answer>(doing: string, call: () => Promise<Answer>): Promise<Answer> {
  try {
    return await call();
  } catch (error) {
    throw callFailure(error, doing);
  }
}

export function unsure(
  what: string,
  cause?: unknown,
  be: 'done' | 'stored' = 'stored',
): MaloteError {
  return new MaloteError('INDETERMINATE', `${what}: it may be ${be} or not`, { cause });
}

export function unreachable(
  urls: readonly string[],
  waitedMs: number,
  cause: unknown,
): MaloteError {
  if (cause instanceof MaloteError && cause.code !== 'ENGINE_UNREACHABLE') return cause;
  return new MaloteError(
    'ENGINE_UNREACHABLE',
    `${hide(urls)} did not answer within ${waitedMs} ms; nothing was stored`,
    { cause },
  );
}

/** What it needed on the server could not be made: the message itself was never sent. */
export function notSent(error: unknown): MaloteError {
  const failure = callFailure(error, 'making room for a long delay');
  if (failure.code !== 'INDETERMINATE') return failure;
  const sentence = 'the connection ended before the message was sent; nothing was stored';
  return new MaloteError('ENGINE_UNREACHABLE', sentence, { cause: error });
}

/** Whoever opens it gives up with it; one that was open is opened again. */
export function lineLost(url: string, reason: string, isOpened: boolean): MaloteError {
  const next = isOpened ? '; connecting again' : '';
  const sentence = `the connection to ${hide(url)} was lost (${reason})${next}`;
  const strictMs = consumerTimeoutIn(reason);
  const cure =
    strictMs === null
      ? ''
      : `; consumer_timeout of this server is ${strictMs} ms: raise it above the longest handler`;
  return new MaloteError('ENGINE_UNREACHABLE', sentence + cure);
}

/** How long a server lets a message stay unacknowledged, where that was too long; else null. */
export function consumerTimeoutIn(reason: string): number | null {
  const [, ms] =
    /acknowledgement on channel \d+ timed out. Timeout value used: (\d+) ms/.exec(reason) ?? [];
  return ms === undefined ? null : Number(ms);
}

/** A queue, or what leads to it, was deleted underfoot; not one that is only not started yet. */
export function isGone(error: unknown): boolean {
  const said = messageOf(error);
  return /NOT.FOUND|\b404\b|was deleted|leads nowhere/.test(said) && !notStarted.test(said);
}

export function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}

/** Something of it may be stored: the publishes of an ack, and not the ack. */
export function cutOff(cause?: unknown): MaloteError {
  const sentence = 'the connection ended before the server had answered';
  return new MaloteError('INDETERMINATE', sentence, { cause });
}
