import { describe, expect, it } from '@jest/globals';
import { Kysely, SqliteDialect } from 'kysely';
import Database from 'libsql';
import { StoreError, withPlainErrors } from './plain-errors.js';

interface Notes {
  readonly notes: { text: string };
}

/** A database of so many pages of 4 KiB. */
async function smallDatabase(pages: number) {
  const raw = new Database(':memory:');
  raw.exec(`PRAGMA max_page_count = ${pages};`);
  const database = withPlainErrors(raw, 'runs.sqlite');
  const db = new Kysely<Notes>({ dialect: new SqliteDialect({ database }) });
  await db.schema.createTable('notes').addColumn('text', 'text').execute();
  return db;
}

describe('withPlainErrors', () => {
  it('says that the disk is full, and loses nothing that was committed', async () => {
    const db = await smallDatabase(8);
    await db.insertInto('notes').values({ text: 'kept' }).execute();
    const overflow = db.transaction().execute(async (query) => {
      await query.insertInto('notes').values({ text: 'lost' }).execute();
      await query
        .insertInto('notes')
        .values({ text: 'x'.repeat(100_000) })
        .execute();
    });
    await expect(overflow).rejects.toThrow(StoreError);
    await expect(overflow).rejects.toThrow(/^The store runs\.sqlite cannot be written: its disk is full\./);
    expect(await db.selectFrom('notes').selectAll().execute()).toEqual([{ text: 'kept' }]);
    await db.insertInto('notes').values({ text: 'again' }).execute();
    await db.destroy();
  });

  it('names the store with any other error', async () => {
    const db = await smallDatabase(8);
    await expect(db.schema.createTable('notes').execute()).rejects.toThrow(
      /^The store runs\.sqlite fails: .*notes.* already exists/,
    );
    await db.destroy();
  });
});
