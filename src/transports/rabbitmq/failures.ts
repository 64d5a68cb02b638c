/** What goes wrong with a server, by its name and with the cure. */

import { MaloteError } from '../../errors.ts';
import { hide } from './settings.ts';

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
  if (/vhost|\b530\b|NOT.ALLOWED/i.test(said)) {
    return new MaloteError(
      'ENGINE_DENIED',
      `${where} names a virtual host that is not there, or that this user may not use; ` +
        'create it with "rabbitmqctl add_vhost" and "rabbitmqctl set_permissions"',
      { cause: error },
    );
  }
  return new MaloteError(
    'ENGINE_UNREACHABLE',
    `${where} does not answer: ${said}; check that the server runs and the port is right`,
    { cause: error },
  );
}

/** Why a call on a channel failed. */
export function callFailure(error: unknown, doing: string): MaloteError {
  if (error instanceof MaloteError) return error;
  const said = messageOf(error);
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
  return new MaloteError('ENGINE_FAILED', `${doing} failed: ${said}`, { cause: error });
}

export function unsure(what: string, cause?: unknown): MaloteError {
  return new MaloteError('INDETERMINATE', `${what}: it may be stored or not`, { cause });
}

export function unreachable(url: string, waitedMs: number, cause: unknown): MaloteError {
  if (cause instanceof MaloteError && cause.code !== 'ENGINE_UNREACHABLE') return cause;
  return new MaloteError(
    'ENGINE_UNREACHABLE',
    `${hide(url)} did not answer within ${waitedMs} ms; nothing was stored`,
    { cause },
  );
}

export function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}
