/** What evaluations found. */
import { type Evaluated, TaskResult } from '@backsight/contract/coordinator';
import { appendEvents } from './events.js';
import type { Connection } from './open-database.js';

/** The evaluations of runs: each at most once, with its event. */
export class EvaluationStore {
  readonly #db: Connection;
  readonly #changed: (runId: string) => void;

  constructor(db: Connection, changed: (runId: string) => void) {
    this.#db = db;
    this.#changed = changed;
  }

  async has(runId: string, step: number, split: string): Promise<boolean> {
    return (await this.passRate(runId, step, split)) !== undefined;
  }

  /** Undefined when it was not evaluated. */
  async passRate(runId: string, step: number, split: string): Promise<number | undefined> {
    const row = await this.#db
      .selectFrom('evaluations')
      .select('pass_rate')
      .where('run_id', '=', runId)
      .where('step', '=', step)
      .where('split', '=', split)
      .executeTakeFirst();
    return row?.pass_rate;
  }

  /** Records an evaluation and tells of it, both or neither. */
  async record(runId: string, evaluated: Evaluated, tasks: readonly TaskResult[]): Promise<void> {
    await this.#db.transaction().execute(async (query) => {
      await query
        .insertInto('evaluations')
        .values({
          run_id: runId,
          step: evaluated.step,
          split: evaluated.split,
          pass_rate: evaluated.passRate,
          reward: evaluated.reward,
          samples: evaluated.samples,
          tasks: JSON.stringify(tasks.map((task) => TaskResult.toJSON(task))),
        })
        .execute();
      await appendEvents(query, runId, [{ $case: 'evaluated', value: evaluated }]);
    });
    this.#changed(runId);
  }
}
