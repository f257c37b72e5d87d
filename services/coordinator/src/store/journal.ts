/** The journal: what each step was made of, and what came of it. */
import type { Selectable } from 'kysely';
import { appendEvents, type EventKind } from './events.js';
import { metricsJson, parseMetrics } from './metrics.js';
import type { Connection } from './open-database.js';
import type { Lesson, RolloutRecord } from './rollout-record.js';
import { insertRollout, rolloutOf, writeLesson } from './rollout-rows.js';
import type { Metrics, StepRecord } from './run-record.js';
import type { StepsTable, TurnsTable } from './tables.js';

/** What is appended when a step is finished. */
export interface FinishedStep {
  readonly step: number;
  readonly policyVersion: number;
  readonly metrics: Metrics;
  /** Rollouts of this step. */
  readonly rollouts: number;
  /** What else happened in the step, after StepFinished. */
  readonly events: readonly EventKind[];
}

/** The journal: what each step was made of, written before it is taken, and what came of it, written after. */
export class Journal {
  readonly #db: Connection;
  readonly #changed: (runId: string) => void;

  constructor(db: Connection, changed: (runId: string) => void) {
    this.#db = db;
    this.#changed = changed;
  }

  /** Keeps the rollouts of a group as soon as they are all played. A group that is there already stays as it is. */
  async recordGroup(runId: string, rollouts: readonly RolloutRecord[]): Promise<void> {
    await this.#db.transaction().execute(async (query) => {
      for (const rollout of rollouts) await insertRollout(query, runId, rollout);
    });
  }

  /** The rollouts of a step that are played, in order of group and sample. */
  async rollouts(runId: string, step: number): Promise<readonly RolloutRecord[]> {
    const rows = await this.#db
      .selectFrom('rollouts')
      .selectAll()
      .where('run_id', '=', runId)
      .where('step', '=', step)
      .orderBy('group_index')
      .orderBy('sample_index')
      .execute();
    const turns = await this.#db
      .selectFrom('turns')
      .innerJoin('rollouts', (join) =>
        join
          .onRef('turns.run_id', '=', 'rollouts.run_id')
          .onRef('turns.rollout_id', '=', 'rollouts.rollout_id'),
      )
      .selectAll('turns')
      .where('turns.run_id', '=', runId)
      .where('rollouts.step', '=', step)
      .orderBy('turns.turn')
      .execute();
    const byRollout = new Map<string, Selectable<TurnsTable>[]>();
    for (const turn of turns)
      byRollout.set(turn.rollout_id, [...(byRollout.get(turn.rollout_id) ?? []), turn]);
    return rows.map((row) => rolloutOf(row, byRollout.get(row.rollout_id) ?? []));
  }

  /** Writes down that a step is about to be taken: from which version, to which, and what the teacher is told. */
  async beginStep(
    runId: string,
    step: { readonly step: number; readonly startVersion: number; readonly expectedVersion: number },
    lessons: readonly Lesson[],
  ): Promise<void> {
    await this.#db.transaction().execute(async (query) => {
      const versions = { start_version: step.startVersion, expected_version: step.expectedVersion };
      await query
        .insertInto('steps')
        .values({ run_id: runId, step: step.step, ...versions, finished: 0, metrics: '{}', checkpoint: null })
        .onConflict((conflict) => conflict.columns(['run_id', 'step']).doUpdateSet(versions))
        .execute();
      for (const lesson of lessons) await writeLesson(query, runId, lesson);
    });
  }

  async step(runId: string, step: number): Promise<StepRecord | undefined> {
    const row = await this.#db
      .selectFrom('steps')
      .selectAll()
      .where('run_id', '=', runId)
      .where('step', '=', step)
      .executeTakeFirst();
    return row === undefined ? undefined : stepOf(row);
  }

  /** Completes a step: its record, its metrics and its events, all or none. */
  async finishStep(runId: string, finished: FinishedStep): Promise<void> {
    const { step, policyVersion, rollouts } = finished;
    const metrics = metricsJson(finished.metrics);
    await this.#db.transaction().execute(async (query) => {
      await query
        .updateTable('steps')
        .set({ finished: 1, metrics })
        .where('run_id', '=', runId)
        .where('step', '=', step)
        .execute();
      const run = await query
        .updateTable('runs')
        .set((row) => ({
          step,
          policy_version: policyVersion,
          metrics,
          rollouts: row('rollouts', '+', rollouts),
        }))
        .where('run_id', '=', runId)
        .where('step', '=', step - 1)
        .returning('rollouts')
        .executeTakeFirst();
      if (run === undefined)
        throw new Error(`Step ${step} of run ${runId} does not follow its last finished step.`);
      const value = { step, policyVersion, rollouts: run.rollouts, metrics: parseMetrics(metrics) };
      await appendEvents(query, runId, [{ $case: 'stepFinished', value }, ...finished.events]);
    });
    this.#changed(runId);
  }

  /** Records that a checkpoint of this name holds the policy after a step; it no longer holds an earlier one. */
  async recordCheckpoint(runId: string, step: number, name: string): Promise<void> {
    await this.#db.transaction().execute(async (query) => {
      const steps = query.updateTable('steps').where('run_id', '=', runId);
      await steps.set({ checkpoint: null }).where('checkpoint', '=', name).execute();
      await steps.set({ checkpoint: name }).where('step', '=', step).execute();
    });
  }

  /** Versions of every finished step that this run took itself, in order. */
  async transactions(
    runId: string,
  ): Promise<readonly Pick<StepRecord, 'step' | 'startVersion' | 'expectedVersion'>[]> {
    const rows = await this.#db
      .selectFrom('steps')
      .selectAll()
      .where('run_id', '=', runId)
      .where('finished', '=', 1)
      .orderBy('step')
      .execute();
    return rows.map(stepOf);
  }

  /** Metrics of every finished step, in order. */
  async history(runId: string): Promise<readonly Metrics[]> {
    const rows = await this.#db
      .selectFrom('steps')
      .select('metrics')
      .where('run_id', '=', runId)
      .where('finished', '=', 1)
      .orderBy('step')
      .execute();
    return rows.map((row) => parseMetrics(row.metrics));
  }

  /** Forgets a step that was not finished, with its rollouts. */
  async discardStep(runId: string, step: number): Promise<void> {
    await this.#db.transaction().execute(async (query) => {
      const ids = query
        .selectFrom('rollouts')
        .select('rollout_id')
        .where('run_id', '=', runId)
        .where('step', '=', step);
      await query.deleteFrom('turns').where('run_id', '=', runId).where('rollout_id', 'in', ids).execute();
      await query.deleteFrom('rollouts').where('run_id', '=', runId).where('step', '=', step).execute();
      await query.deleteFrom('steps').where('run_id', '=', runId).where('step', '=', step).execute();
    });
  }

  /** The finished steps that have a checkpoint, in order. */
  async checkpointed(runId: string): Promise<readonly StepRecord[]> {
    const rows = await this.#db
      .selectFrom('steps')
      .selectAll()
      .where('run_id', '=', runId)
      .where('checkpoint', 'is not', null)
      .orderBy('step')
      .execute();
    return rows.map(stepOf);
  }

  /** Appends events by themselves. */
  async append(runId: string, events: readonly EventKind[]): Promise<void> {
    await this.#db.transaction().execute((query) => appendEvents(query, runId, events));
    this.#changed(runId);
  }
}

function stepOf(row: Selectable<StepsTable>): StepRecord {
  return {
    step: row.step,
    startVersion: row.start_version,
    expectedVersion: row.expected_version,
    finished: row.finished === 1,
    metrics: parseMetrics(row.metrics),
    checkpoint: row.checkpoint ?? undefined,
  };
}
