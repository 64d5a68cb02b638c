/**
 * What SQLite and the file system report, said in malote's words. Every sentence names the file
 * and the cure, and the driver's own error stays its cause.
 *
 * Three answers decide what happens next: {@link isBusy} (try again soon), {@link isFatal} (this
 * connection must not be used again), and neither (the transaction failed, the next may succeed).
 */
import { type ErrorCode, MaloteError } from '../../errors.ts';
import { isClosed, numberOf } from './driver-better-sqlite3.ts';

/** SQLite's primary result codes; an extended code keeps its primary one in the lowest byte. */
const primary = {
  busy: 5,
  locked: 6,
  noMemory: 7,
  readOnly: 8,
  inputOutput: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  protocol: 15,
  constraint: 19,
  format: 24,
  notADatabase: 26,
} as const;

/** Extended codes that mean something else than their primary one. */
const extended = {
  inputOutputNoMemory: 3082,
  /** The -shm file could not grow: in practice a full disk. */
  inputOutputSharedMemorySize: 4874,
} as const;

/** @param where - the file, as a sentence may begin with it: `sqlite file "/srv/app.db"` */
export function toMaloteError(error: unknown, where: string): MaloteError {
  if (error instanceof MaloteError) return error;
  const code = codeOf(error);
  const detail = error instanceof Error ? error.message : String(error);
  const [what, cure] = sentences[code] ?? unexpected;
  return new MaloteError(code, `${where} ${what} (${detail}); ${cure}`, { cause: error });
}

/** Whether another connection is in the way and the same call may succeed in a moment. */
export function isBusy(error: unknown): boolean {
  return codeOf(error) === 'ENGINE_BUSY';
}

/** Whether a constraint refused it. At a commit: a deferred one, and nothing was committed. */
export function isConstraint(error: unknown): boolean {
  return (errcodeOf(error) ?? 0) % 256 === primary.constraint;
}

/**
 * Whether the connection must be given up. A failed write or fsync belongs here: the kernel may
 * have dropped the dirty pages, so that a second fsync on the same handle would lie.
 */
export function isFatal(error: unknown): boolean {
  const driver = error instanceof MaloteError && error.cause !== undefined ? error.cause : error;
  if (driver instanceof MaloteError) return fatalCodes.includes(driver.code);
  if (fatalCodes.includes(codeOf(driver))) return true;
  const errcode = errcodeOf(driver);
  if (errcode === undefined) return isInvalidState(driver);
  const isFault = [primary.inputOutput, primary.cannotOpen].some((code) => code === errcode % 256);
  return isFault && errcode !== extended.inputOutputNoMemory && codeOf(driver) === 'ENGINE_FAILED';
}

/** Whether the driver refuses a connection that is closed, or a statement that went with it. */
export function isInvalidState(error: unknown): boolean {
  return stringCodeOf(error) === 'ERR_INVALID_STATE' || isClosed(error);
}

const fatalCodes: readonly ErrorCode[] = [
  'ENGINE_CORRUPT',
  'ENGINE_GONE',
  'ENGINE_READ_ONLY',
  'ENGINE_VERSION',
];

function codeOf(error: unknown): ErrorCode {
  if (error instanceof MaloteError) return error.code;
  const errcode = errcodeOf(error);
  if (errcode === undefined) return systemCodes.get(stringCodeOf(error)) ?? 'ENGINE_FAILED';
  return sqliteCodes.get(errcode) ?? sqliteCodes.get(errcode % 256) ?? 'ENGINE_FAILED';
}

const sqliteCodes: ReadonlyMap<number, ErrorCode> = new Map([
  [primary.busy, 'ENGINE_BUSY'],
  [primary.locked, 'ENGINE_BUSY'],
  [primary.protocol, 'ENGINE_BUSY'],
  [primary.full, 'ENGINE_FULL'],
  [extended.inputOutputSharedMemorySize, 'ENGINE_FULL'],
  [primary.corrupt, 'ENGINE_CORRUPT'],
  [primary.notADatabase, 'ENGINE_CORRUPT'],
  [primary.readOnly, 'ENGINE_READ_ONLY'],
  [primary.format, 'ENGINE_VERSION'],
]);

const systemCodes: ReadonlyMap<string | undefined, ErrorCode> = new Map([
  ['ENOSPC', 'ENGINE_FULL'],
  ['EDQUOT', 'ENGINE_FULL'],
  ['EACCES', 'ENGINE_READ_ONLY'],
  ['EPERM', 'ENGINE_READ_ONLY'],
  ['EROFS', 'ENGINE_READ_ONLY'],
]);

type Sentence = readonly [what: string, cure: string];

const sentences: Partial<Record<ErrorCode, Sentence>> = {
  ENGINE_BUSY: [
    'is locked by another connection',
    'try again, and look for a transaction that is left open',
  ],
  ENGINE_FULL: ['cannot grow, nothing of this was stored', 'free space on its disk and try again'],
  ENGINE_CORRUPT: [
    'is damaged or not an SQLite database',
    'check the path; if it is right stop its processes, copy it with its -wal, restore a backup',
  ],
  ENGINE_READ_ONLY: [
    'cannot be written',
    'let the user of this process write the file, its -wal and -shm, and its directory',
  ],
  ENGINE_VERSION: ['has a format this SQLite does not know', 'update Node.js'],
};

const unexpected: Sentence = [
  'failed',
  'see the cause, and check its disk, its directory, the limits of open files and of file sizes',
];

/** Whether this is an error of the system with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(stringCodeOf(error) ?? '');
}

function errcodeOf(error: unknown): number | undefined {
  const errcode = property(error, 'errcode');
  return typeof errcode === 'number' ? errcode : numberOf(stringCodeOf(error) ?? '');
}

function stringCodeOf(error: unknown): string | undefined {
  const code = property(error, 'code');
  return typeof code === 'string' ? code : undefined;
}

function property(error: unknown, name: 'code' | 'errcode'): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
}
