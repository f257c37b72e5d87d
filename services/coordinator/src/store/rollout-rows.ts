/** Rollouts as rows of the store, and back. */
import { Message, Outcome, Tool } from '@backsight/contract/environment';
import type { Selectable } from 'kysely';
import { packFloat32, packUint32, unpackFloat32, unpackUint32 } from './bytes.js';
import type { Query } from './open-database.js';
import { completionTokens, type Lesson, type RolloutRecord, type Turn } from './rollout-record.js';
import type { RolloutsTable, TurnsTable } from './tables.js';

/** Adds a rollout with its turns; one that is there already stays as it is. */
export async function insertRollout(query: Query, runId: string, rollout: RolloutRecord): Promise<void> {
  const inserted = await query
    .insertInto('rollouts')
    .values({
      run_id: runId,
      rollout_id: rollout.rolloutId,
      step: rollout.step,
      group_index: rollout.groupIndex,
      sample_index: rollout.sampleIndex,
      task_id: rollout.taskId,
      reward: rollout.outcome.reward,
      solved: rollout.outcome.solved ? 1 : 0,
      outcome: JSON.stringify(Outcome.toJSON(rollout.outcome)),
      tools: JSON.stringify(rollout.tools.map((tool) => Tool.toJSON(tool))),
      completion_tokens: completionTokens(rollout),
      policy_version: rollout.turns[0]?.policyVersion ?? 0,
      demonstration_rollout_id: '',
      teacher_feedback: JSON.stringify(''),
    })
    .onConflict((conflict) => conflict.columns(['run_id', 'rollout_id']).doNothing())
    .returning('rollout_id')
    .executeTakeFirst();
  if (inserted === undefined) return;
  for (const [index, turn] of rollout.turns.entries()) {
    await query
      .insertInto('turns')
      .values({
        run_id: runId,
        rollout_id: rollout.rolloutId,
        turn: index,
        messages: JSON.stringify(turn.messages.map((message) => Message.toJSON(message))),
        prompt_ids: packUint32(turn.promptIds),
        completion_ids: packUint32(turn.completionIds),
        logprobs: packFloat32(turn.logprobs),
        text: JSON.stringify(turn.text),
        truncated: turn.truncated ? 1 : 0,
        policy_version: turn.policyVersion,
        teacher_prompt_ids: packUint32([]),
      })
      .execute();
  }
}

/** Writes down what the teacher was told about a rollout. */
export async function writeLesson(query: Query, runId: string, lesson: Lesson): Promise<void> {
  await query
    .updateTable('rollouts')
    .set({
      demonstration_rollout_id: lesson.demonstrationRolloutId,
      teacher_feedback: JSON.stringify(lesson.teacherFeedback),
    })
    .where('run_id', '=', runId)
    .where('rollout_id', '=', lesson.rolloutId)
    .execute();
  for (const [turn, ids] of lesson.teacherPromptIds.entries()) {
    await query
      .updateTable('turns')
      .set({ teacher_prompt_ids: packUint32(ids) })
      .where('run_id', '=', runId)
      .where('rollout_id', '=', lesson.rolloutId)
      .where('turn', '=', turn)
      .execute();
  }
}

/** A rollout from its row and those of its turns, in order. */
export function rolloutOf(
  row: Selectable<RolloutsTable>,
  turns: readonly Selectable<TurnsTable>[],
): RolloutRecord {
  return {
    rolloutId: row.rollout_id,
    step: row.step,
    groupIndex: row.group_index,
    sampleIndex: row.sample_index,
    taskId: row.task_id,
    tools: parseList(row.tools).map((tool) => Tool.fromJSON(tool)),
    turns: turns.map(turnOf),
    outcome: Outcome.fromJSON(JSON.parse(row.outcome)),
  };
}

function turnOf(row: Selectable<TurnsTable>): Turn {
  return {
    messages: parseList(row.messages).map((message) => Message.fromJSON(message)),
    promptIds: unpackUint32(row.prompt_ids),
    completionIds: unpackUint32(row.completion_ids),
    logprobs: unpackFloat32(row.logprobs),
    text: parseText(row.text),
    truncated: row.truncated === 1,
    policyVersion: row.policy_version,
  };
}

/** A text from its JSON. */
export function parseText(json: string): string {
  const value: unknown = JSON.parse(json);
  return typeof value === 'string' ? value : '';
}

function parseList(json: string): readonly unknown[] {
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value : [];
}
