/** malote's own connection, as functions of the caller see it that run inside its turns. */

import { MaloteError } from '../../errors.ts';
import type { SqliteStatement, SqliteTransaction } from './connection.ts';
import type { CallerTransaction, Connection, Driver } from './driver.ts';

export interface Stage {
  readonly db: Connection;
  readonly tx: CallerTransaction;
  /** Runs something with {@link Stage.tx} usable, and not a moment longer. */
  during<Answer>(run: () => Answer): Answer;
  /** The effects that ended a transaction, and what is said of it. */
  readonly broken: WeakMap<object, unknown>;
  /** The effects that this turn is about to commit. */
  readonly done: object[];
}

const mostStatements = 200;
const control =
  /^(?:\s|;|--[^\n]*\n|\/\*[^]*?\*\/)*(?:begin|commit|end|rollback|savepoint|release)\b/i;

export function createStage(db: Connection, driver: Driver, where: string): Stage {
  const statements = new Map<string, SqliteStatement>();
  let isInside = false;

  function check(): void {
    if (isInside) return;
    throw new MaloteError(
      'TRANSACTION_REQUIRED',
      `tx of the ${where} must be used inside the function it was given to, which is over`,
    );
  }

  function prepared(sql: string): SqliteStatement {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    if (control.test(sql)) throw transactionKept(sql);
    const statement = guarded(db.prepare(sql), check);
    if (statements.size >= mostStatements) statements.clear();
    statements.set(sql, statement);
    return statement;
  }

  const inside: SqliteTransaction = {
    get isTransaction() {
      return isInside && db.isTransaction;
    },
    location: () => db.location(),
    exec(sql) {
      check();
      if (sql.split(';').some((one) => control.test(one))) throw transactionKept(sql);
      db.exec(sql);
    },
    prepare(sql) {
      check();
      return prepared(sql);
    },
  };
  const tx = driver.undress(inside);
  insides.add(tx);

  return {
    db,
    tx,
    broken: new WeakMap(),
    done: [],
    during(run) {
      isInside = true;
      try {
        return run();
      } finally {
        isInside = false;
      }
    },
  };
}

const insides = new WeakSet<object>();

/** Whether this is malote's own connection, given to a function of the caller. */
export function isStage(tx: object): boolean {
  return insides.has(tx);
}

function guarded(statement: SqliteStatement, check: () => void): SqliteStatement {
  return {
    run(...values) {
      check();
      return statement.run(...values);
    },
    get(...values) {
      check();
      return statement.get(...values);
    },
    all(...values) {
      check();
      return statement.all(...values);
    },
  };
}

function transactionKept(sql: string): MaloteError {
  return new MaloteError(
    'OPTION_INVALID',
    'tx must be left to malote to begin and end, with others of its kind in one commit, got ' +
      `${JSON.stringify(sql.slice(0, 60))}; throw to undo`,
  );
}
