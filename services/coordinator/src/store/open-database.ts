/** Opens the database for one coordinator at a time. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Kysely, Migrator, SqliteDialect, type Transaction } from 'kysely';
import Database from 'libsql';
import { migrations } from './migrations.js';
import { withPlainErrors } from './plain-errors.js';
import type { Tables } from './tables.js';

export type Connection = Kysely<Tables>;
export type Query = Kysely<Tables> | Transaction<Tables>;

/** An open database and how to close it. */
export interface OpenDatabase {
  readonly connection: Connection;
  readonly close: () => Promise<void>;
}

/** Opens the SQLite store at a path, creates what is missing and brings its tables up to date. */
export async function openDatabase(path: string): Promise<OpenDatabase> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const unlock = lock(`${path}.lock`);
    try {
      const connection = await open(path);
      return { connection, close: () => connection.destroy().finally(unlock) };
    } catch (error) {
      unlock();
      throw error;
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`The store ${path} cannot be opened: ${reason}`, { cause: error });
  }
}

async function open(path: string): Promise<Connection> {
  const database = new Database(path);
  // Readers never wait for the writer; a finished step survives a loss of power.
  database.exec('PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
  database.exec('PRAGMA foreign_keys = ON;');
  const connection = new Kysely<Tables>({
    dialect: new SqliteDialect({ database: withPlainErrors(database, path) }),
  });
  const { error } = await new Migrator({ db: connection, provider: migrations }).migrateToLatest();
  if (error === undefined) return connection;
  await connection.destroy();
  throw error instanceof Error ? error : new Error('a migration failed');
}

/**
 * Two coordinators on one store would conduct every run twice. A transaction that stays open on an empty database beside
 * the store keeps the second out, and ends with the process however that ends; the store itself stays readable by others.
 */
function lock(path: string): () => void {
  const database = new Database(path);
  try {
    // A coordinator that is draining may take a moment to end.
    database.exec('PRAGMA busy_timeout = 3000; BEGIN EXCLUSIVE;');
  } catch (error) {
    database.close();
    throw new Error('another coordinator runs on it', { cause: error });
  }
  return () => {
    database.exec('ROLLBACK');
    database.close();
  };
}
