/** The store's tables, as they came to be. */
import type { Kysely, Migration, MigrationProvider } from 'kysely';

/** How the store came to its present shape, oldest first. A migration that was released is never edited. */
export const migrations: MigrationProvider = {
  getMigrations: () =>
    Promise.resolve({ '001-runs': { up: createRunTables } } satisfies Record<string, Migration>),
};

async function createRunTables(db: Kysely<unknown>): Promise<void> {
  // `bytea` is PostgreSQL's name; SQLite takes any name, and stores bytes as bytes.
  const bytes = 'bytea';
  await db.schema
    .createTable('runs')
    .addColumn('run_id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('intent', 'text', (column) => column.notNull())
    .addColumn('recipe', 'text', (column) => column.notNull())
    .addColumn('idempotency_key', 'text', (column) => column.unique())
    .addColumn('policy_address', 'text', (column) => column.notNull())
    .addColumn('step', 'bigint', (column) => column.notNull())
    .addColumn('total_steps', 'bigint', (column) => column.notNull())
    .addColumn('policy_version', 'bigint')
    .addColumn('rollouts', 'bigint', (column) => column.notNull())
    .addColumn('failure', 'text', (column) => column.notNull())
    .addColumn('metrics', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('last_sequence', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('steps')
    .addColumn('run_id', 'text', (column) => column.notNull().references('runs.run_id'))
    .addColumn('step', 'bigint', (column) => column.notNull())
    .addColumn('start_version', 'bigint', (column) => column.notNull())
    .addColumn('expected_version', 'bigint', (column) => column.notNull())
    .addColumn('finished', 'integer', (column) => column.notNull())
    .addColumn('metrics', 'text', (column) => column.notNull())
    .addColumn('checkpoint', 'text')
    .addPrimaryKeyConstraint('steps_key', ['run_id', 'step'])
    .execute();
  await db.schema
    .createTable('rollouts')
    .addColumn('run_id', 'text', (column) => column.notNull().references('runs.run_id'))
    .addColumn('rollout_id', 'text', (column) => column.notNull())
    .addColumn('step', 'bigint', (column) => column.notNull())
    .addColumn('group_index', 'integer', (column) => column.notNull())
    .addColumn('sample_index', 'integer', (column) => column.notNull())
    .addColumn('task_id', 'text', (column) => column.notNull())
    .addColumn('reward', 'double precision', (column) => column.notNull())
    .addColumn('solved', 'integer', (column) => column.notNull())
    .addColumn('outcome', 'text', (column) => column.notNull())
    .addColumn('tools', 'text', (column) => column.notNull())
    .addColumn('completion_tokens', 'integer', (column) => column.notNull())
    .addColumn('policy_version', 'bigint', (column) => column.notNull())
    .addColumn('demonstration_rollout_id', 'text', (column) => column.notNull())
    .addColumn('teacher_feedback', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('rollouts_key', ['run_id', 'rollout_id'])
    .execute();
  await db.schema
    .createIndex('rollouts_in_order')
    .on('rollouts')
    .columns(['run_id', 'step', 'group_index', 'sample_index'])
    .unique()
    .execute();
  await db.schema
    .createTable('turns')
    .addColumn('run_id', 'text', (column) => column.notNull())
    .addColumn('rollout_id', 'text', (column) => column.notNull())
    .addColumn('turn', 'integer', (column) => column.notNull())
    .addColumn('messages', 'text', (column) => column.notNull())
    .addColumn('prompt_ids', bytes, (column) => column.notNull())
    .addColumn('completion_ids', bytes, (column) => column.notNull())
    .addColumn('logprobs', bytes, (column) => column.notNull())
    .addColumn('text', 'text', (column) => column.notNull())
    .addColumn('truncated', 'integer', (column) => column.notNull())
    .addColumn('policy_version', 'bigint', (column) => column.notNull())
    .addColumn('teacher_prompt_ids', bytes, (column) => column.notNull())
    .addPrimaryKeyConstraint('turns_key', ['run_id', 'rollout_id', 'turn'])
    .execute();
  await db.schema
    .createTable('evaluations')
    .addColumn('run_id', 'text', (column) => column.notNull().references('runs.run_id'))
    .addColumn('step', 'bigint', (column) => column.notNull())
    .addColumn('split', 'text', (column) => column.notNull())
    .addColumn('pass_rate', 'double precision', (column) => column.notNull())
    .addColumn('reward', 'double precision', (column) => column.notNull())
    .addColumn('samples', 'integer', (column) => column.notNull())
    .addColumn('tasks', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('evaluations_key', ['run_id', 'step', 'split'])
    .execute();
  await db.schema
    .createTable('events')
    .addColumn('run_id', 'text', (column) => column.notNull().references('runs.run_id'))
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .addColumn('event', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('events_key', ['run_id', 'sequence'])
    .execute();
  await db.schema
    .createTable('policies')
    .addColumn('address', 'text', (column) => column.primaryKey())
    .addColumn('run_id', 'text', (column) => column.notNull())
    .execute();
}
