/** The runs: which there are and where each is. */
import { RunState } from '@backsight/contract/coordinator';
import type { Selectable } from 'kysely';
import { appendEvents, parseState } from './events.js';
import { metricsJson, parseMetrics } from './metrics.js';
import type { Connection, Query } from './open-database.js';
import type { Intent, RunOrigin, RunRecord } from './run-record.js';
import type { RunsTable } from './tables.js';

export interface NewRun {
  readonly runId: string;
  readonly name: string;
  /** Canonical YAML. */
  readonly recipe: string;
  readonly policyAddress: string;
  readonly totalSteps: number;
  /** Undefined when the caller gave none. */
  readonly idempotencyKey: string | undefined;
  /** Absent: it begins at step 0. */
  readonly origin?: RunOrigin | undefined;
}

/** Where a page of runs goes on: after this run. */
export interface RunCursor {
  readonly createdAtMs: number;
  readonly runId: string;
}

/** Runs in one state, counted. */
export interface RunTotals {
  readonly state: RunState;
  readonly runs: number;
  /** Steps that they have finished. */
  readonly steps: number;
  /** Rollouts of those steps. */
  readonly rollouts: number;
}

/** The runs of the store. Whoever changes one rings the bell for those who watch it. */
export class RunStore {
  readonly #db: Connection;
  readonly #changed: (runId: string) => void;

  constructor(db: Connection, changed: (runId: string) => void) {
    this.#db = db;
    this.#changed = changed;
  }

  /** Adds a pending run, or returns the one that the same idempotency key made before. */
  async create(run: NewRun): Promise<{ readonly run: RunRecord; readonly created: boolean }> {
    const created = await this.#db.transaction().execute(async (query) => {
      const inserted = await query
        .insertInto('runs')
        .values({
          run_id: run.runId,
          name: run.name,
          state: RunState.PENDING,
          intent: 'run',
          recipe: run.recipe,
          idempotency_key: run.idempotencyKey ?? null,
          policy_address: run.policyAddress,
          step: run.origin?.step ?? 0,
          total_steps: run.totalSteps,
          policy_version: run.origin?.policyVersion ?? null,
          rollouts: 0,
          failure: '',
          metrics: metricsJson(run.origin?.metrics ?? {}),
          created_at_ms: Date.now(),
          last_sequence: 0,
        })
        .onConflict((conflict) => conflict.column('idempotency_key').doNothing())
        .returning('run_id')
        .executeTakeFirst();
      if (inserted === undefined) return false;
      if (run.origin !== undefined) await insertOrigin(query, run.runId, run.origin);
      await appendEvents(query, run.runId, [
        { $case: 'stateChanged', value: { state: RunState.PENDING, failure: '' } },
      ]);
      return true;
    });
    const row = await this.#db
      .selectFrom('runs')
      .selectAll()
      .where((where) =>
        created ? where('run_id', '=', run.runId) : where('idempotency_key', '=', run.idempotencyKey ?? null),
      )
      .executeTakeFirstOrThrow();
    return { run: runOf(row), created };
  }

  async get(runId: string): Promise<RunRecord | undefined> {
    const row = await this.#db.selectFrom('runs').selectAll().where('run_id', '=', runId).executeTakeFirst();
    return row === undefined ? undefined : runOf(row);
  }

  /** Newest first. */
  async list(limit: number, after?: RunCursor): Promise<readonly RunRecord[]> {
    let query = this.#db.selectFrom('runs').selectAll();
    if (after !== undefined) {
      query = query.where((where) =>
        where.or([
          where('created_at_ms', '<', after.createdAtMs),
          where.and([where('created_at_ms', '=', after.createdAtMs), where('run_id', '<', after.runId)]),
        ]),
      );
    }
    const rows = await query
      .orderBy('created_at_ms', 'desc')
      .orderBy('run_id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(runOf);
  }

  /** Runs in one of the states, oldest first. */
  async inStates(states: readonly RunState[]): Promise<readonly RunRecord[]> {
    const rows = await this.#db
      .selectFrom('runs')
      .selectAll()
      .where('state', 'in', states)
      .orderBy('created_at_ms')
      .orderBy('run_id')
      .execute();
    return rows.map(runOf);
  }

  /** How many runs there are in each state, with what they have done. */
  async totals(): Promise<readonly RunTotals[]> {
    const rows = await this.#db
      .selectFrom('runs')
      .select(({ fn }) => [
        'state',
        fn.countAll<number>().as('runs'),
        fn.sum<number>('step').as('steps'),
        fn.sum<number>('rollouts').as('rollouts'),
      ])
      .groupBy('state')
      .execute();
    return rows.map((row) => ({ ...row, state: parseState(row.state) }));
  }

  /** Moves a run to a state and tells so; `from` guards against a state that has changed meanwhile. */
  async changeState(runId: string, from: readonly RunState[], to: RunState, failure = ''): Promise<boolean> {
    const moved = await this.#db.transaction().execute(async (query) => {
      const row = await query
        .updateTable('runs')
        .set({ state: to, failure, intent: 'run' })
        .where('run_id', '=', runId)
        .where('state', 'in', from)
        .returning('run_id')
        .executeTakeFirst();
      if (row === undefined) return false;
      await appendEvents(query, runId, [{ $case: 'stateChanged', value: { state: to, failure } }]);
      return true;
    });
    if (moved) this.#changed(runId);
    return moved;
  }

  /** Remembers what a person asked of a running run, so that a restart does not forget it. */
  async setIntent(runId: string, intent: Intent): Promise<void> {
    await this.#db.updateTable('runs').set({ intent }).where('run_id', '=', runId).execute();
  }

  /** The run that trained the policy at an address last. */
  async holder(policyAddress: string): Promise<string | undefined> {
    const row = await this.#db
      .selectFrom('policies')
      .select('run_id')
      .where('address', '=', policyAddress)
      .executeTakeFirst();
    return row?.run_id;
  }

  /** Records that a policy's weights are nobody's, before they are replaced: a crash in between must not look like a hold. */
  async letGo(policyAddress: string): Promise<void> {
    await this.#db.deleteFrom('policies').where('address', '=', policyAddress).execute();
  }

  /** Records that a run has taken hold of its policy, which is at this version. */
  async takeHold(runId: string, policyAddress: string, policyVersion: number): Promise<void> {
    await this.#db.transaction().execute(async (query) => {
      await query
        .insertInto('policies')
        .values({ address: policyAddress, run_id: runId })
        .onConflict((conflict) => conflict.column('address').doUpdateSet({ run_id: runId }))
        .execute();
      await query
        .updateTable('runs')
        .set({ policy_version: policyVersion })
        .where('run_id', '=', runId)
        .execute();
    });
  }
}

/** The step that a fork begins after, as if the fork had taken it. */
async function insertOrigin(query: Query, runId: string, origin: RunOrigin): Promise<void> {
  const { step, policyVersion, checkpoint } = origin;
  const versions = { start_version: policyVersion, expected_version: policyVersion };
  const metrics = metricsJson(origin.metrics);
  await query
    .insertInto('steps')
    .values({ run_id: runId, step, ...versions, finished: 1, metrics, checkpoint })
    .execute();
}

function runOf(row: Selectable<RunsTable>): RunRecord {
  return {
    runId: row.run_id,
    name: row.name,
    state: parseState(row.state),
    intent: parseIntent(row.intent),
    recipe: row.recipe,
    policyAddress: row.policy_address,
    step: row.step,
    totalSteps: row.total_steps,
    policyVersion: row.policy_version ?? undefined,
    rollouts: row.rollouts,
    failure: row.failure,
    metrics: parseMetrics(row.metrics),
    createdAtMs: row.created_at_ms,
  };
}

const parseIntent = (text: string): Intent => (text === 'pause' ? 'pause' : 'run');
