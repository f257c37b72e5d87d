/** A database that says in plain words why it cannot be read or written. */
import type { SqliteDatabase, SqliteStatement } from 'kysely';

/** The books cannot be kept: the disk is full, or the file fails. What was committed before is safe. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** The same database; its errors are StoreErrors that name the store. */
export function withPlainErrors(database: SqliteDatabase, path: string): SqliteDatabase {
  const plainly = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw new StoreError(`The store ${path} ${reasonOf(error)}`, { cause: error });
    }
  };
  const plain = (statement: SqliteStatement): SqliteStatement => ({
    get reader() {
      return statement.reader;
    },
    all: (parameters) => plainly(() => statement.all(parameters)),
    run: (parameters) => plainly(() => statement.run(parameters)),
    iterate: (parameters) => statement.iterate(parameters),
  });
  return {
    close: () => {
      database.close();
    },
    prepare: (sql) =>
      sql === 'rollback'
        ? forgiving(plainly(() => database.prepare(sql)))
        : plain(plainly(() => database.prepare(sql))),
  };
}

/** SQLite rolls back by itself when its disk is full; the second rollback would hide the first error. */
function forgiving(rollback: SqliteStatement): SqliteStatement {
  return {
    reader: false,
    all: () => [],
    run: (parameters) => {
      try {
        return rollback.run(parameters);
      } catch {
        return { changes: 0, lastInsertRowid: 0 };
      }
    },
    iterate: (parameters) => rollback.iterate(parameters),
  };
}

function reasonOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (code === 'SQLITE_FULL')
    return 'cannot be written: its disk is full. Free some space; nothing that was finished is lost.';
  return `fails: ${error instanceof Error ? error.message : String(error)}`;
}
