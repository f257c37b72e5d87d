import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Kysely, Migrator, SqliteDialect, type Transaction } from 'kysely';
import Database from 'libsql';
import { migrations } from './migrations.js';
import type { Tables } from './tables.js';

export type Connection = Kysely<Tables>;
export type Query = Kysely<Tables> | Transaction<Tables>;

/** Opens the SQLite store at a path, creates what is missing and brings its tables up to date. `:memory:` keeps nothing. */
export async function openDatabase(path: string): Promise<Connection> {
  try {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true });
    return await open(new Database(path));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The store ${path} cannot be opened: ${reason}`, { cause: error });
  }
}

async function open(database: Database.Database): Promise<Connection> {
  // Readers never wait for a writer; a finished step survives a loss of power; a second process waits, not fails.
  database.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;',
  );
  const connection = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
  const { error } = await new Migrator({ db: connection, provider: migrations }).migrateToLatest();
  if (error === undefined) return connection;
  await connection.destroy();
  throw error instanceof Error ? error : new Error('a migration failed');
}
