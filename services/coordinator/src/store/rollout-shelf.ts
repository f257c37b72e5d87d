/** Rollouts to be looked at. */
import type { Selectable } from 'kysely';
import { unpackUint32 } from './bytes.js';
import type { Connection } from './open-database.js';
import type { Lesson, RolloutRecord } from './rollout-record.js';
import { parseText, rolloutOf } from './rollout-rows.js';
import type { RolloutsTable } from './tables.js';

/** A rollout in short. */
export interface RolloutBrief {
  readonly rolloutId: string;
  readonly step: number;
  readonly groupIndex: number;
  readonly sampleIndex: number;
  readonly taskId: string;
  readonly reward: number;
  readonly solved: boolean;
  readonly completionTokens: number;
  readonly policyVersion: number;
}

/** Where a page of rollouts goes on: after this place. */
export interface RolloutCursor {
  readonly step: number;
  readonly groupIndex: number;
  readonly sampleIndex: number;
}

/** The rollouts of runs, to be looked at. */
export class RolloutShelf {
  readonly #db: Connection;

  constructor(db: Connection) {
    this.#db = db;
  }

  /** In order of step, group and sample; only those of one step when it is given. */
  async list(
    runId: string,
    step: number | undefined,
    limit: number,
    after?: RolloutCursor,
  ): Promise<readonly RolloutBrief[]> {
    let query = this.#db.selectFrom('rollouts').selectAll().where('run_id', '=', runId);
    if (step !== undefined) query = query.where('step', '=', step);
    if (after !== undefined) {
      query = query.where((where) =>
        where.or([
          where('step', '>', after.step),
          where.and([where('step', '=', after.step), where('group_index', '>', after.groupIndex)]),
          where.and([
            where('step', '=', after.step),
            where('group_index', '=', after.groupIndex),
            where('sample_index', '>', after.sampleIndex),
          ]),
        ]),
      );
    }
    const rows = await query
      .orderBy('step')
      .orderBy('group_index')
      .orderBy('sample_index')
      .limit(limit)
      .execute();
    return rows.map(briefOf);
  }

  /** The first rollout of a step, in order of group and sample, that solves its task. */
  async solved(runId: string, step: number): Promise<string | undefined> {
    const row = await this.#db
      .selectFrom('rollouts')
      .select('rollout_id')
      .where('run_id', '=', runId)
      .where('step', '=', step)
      .where('solved', '=', 1)
      .orderBy('group_index')
      .orderBy('sample_index')
      .limit(1)
      .executeTakeFirst();
    return row?.rollout_id;
  }

  /** A rollout with what its teacher was told; undefined when there is none of that name. */
  async get(
    runId: string,
    rolloutId: string,
  ): Promise<
    { readonly brief: RolloutBrief; readonly rollout: RolloutRecord; readonly lesson: Lesson } | undefined
  > {
    const row = await this.#db
      .selectFrom('rollouts')
      .selectAll()
      .where('run_id', '=', runId)
      .where('rollout_id', '=', rolloutId)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const turns = await this.#db
      .selectFrom('turns')
      .selectAll()
      .where('run_id', '=', runId)
      .where('rollout_id', '=', rolloutId)
      .orderBy('turn')
      .execute();
    return {
      brief: briefOf(row),
      rollout: rolloutOf(row, turns),
      lesson: {
        rolloutId,
        demonstrationRolloutId: row.demonstration_rollout_id,
        teacherFeedback: parseText(row.teacher_feedback),
        teacherPromptIds: turns.map((turn) => unpackUint32(turn.teacher_prompt_ids)),
      },
    };
  }
}

function briefOf(row: Selectable<RolloutsTable>): RolloutBrief {
  return {
    rolloutId: row.rollout_id,
    step: row.step,
    groupIndex: row.group_index,
    sampleIndex: row.sample_index,
    taskId: row.task_id,
    reward: row.reward,
    solved: row.solved === 1,
    completionTokens: row.completion_tokens,
    policyVersion: row.policy_version,
  };
}
