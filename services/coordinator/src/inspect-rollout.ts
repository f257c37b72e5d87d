/** A rollout to be looked at: both prompts in words, and what student and teacher think of every token. */
import type { TokenOpinion } from '@backsight/contract/coordinator';
import { type CompletionScore, WeightSet } from '@backsight/contract/policy';
import { readFailure } from '@backsight/rpc';
import type { Recipe } from './recipe/recipe.js';
import { deadlines } from './rooms/rooms.js';
import type { Players } from './run/players.js';
import type { Lesson, RolloutRecord } from './store/rollout-record.js';

export interface InspectedRollout {
  readonly studentPrompt: string;
  /** Empty when nothing taught it. */
  readonly teacherPrompt: string;
  /** All that came after the first prompt; with several turns, what the world said in between too. */
  readonly completion: string;
  readonly tokens: readonly TokenOpinion[];
}

/** Asks the policy, as it is now, for its opinion under both prompts. Throws the policy's failures. */
export async function inspectRollout(
  players: Players,
  recipe: Recipe,
  rollout: RolloutRecord,
  lesson: Lesson,
): Promise<InspectedRollout> {
  const { renderer } = players;
  const opinions = await teacherOpinions(players, recipe, rollout, lesson);
  const first = rollout.turns[0]?.promptIds ?? [];
  const last = rollout.turns.at(-1);
  const whole = last === undefined ? [] : [...last.promptIds, ...last.completionIds];
  return {
    studentPrompt: renderer.decodeWithSpecial(first),
    teacherPrompt: renderer.decodeWithSpecial(lesson.teacherPromptIds.find((ids) => ids.length > 0) ?? []),
    completion: renderer.decodeWithSpecial(whole.slice(first.length)),
    tokens: rollout.turns.flatMap((turn, index) =>
      turn.completionIds.map((id, position) => ({
        text: renderer.decodeWithSpecial([id]),
        studentLogprob: turn.logprobs[position] ?? 0,
        logRatio: opinions[index]?.[position] ?? 0,
      })),
    ),
  };
}

/** Teacher logprob minus student logprob of every token, turn by turn; empty for a turn that nothing taught. */
async function teacherOpinions(
  players: Players,
  recipe: Recipe,
  { turns }: RolloutRecord,
  { teacherPromptIds }: Lesson,
): Promise<readonly (readonly number[])[]> {
  const taught = turns.flatMap((turn, index) => {
    const teacherPrompt = teacherPromptIds[index] ?? [];
    return teacherPrompt.length === 0 || turn.completionIds.length === 0
      ? []
      : [{ turn, index, teacherPrompt }];
  });
  if (taught.length === 0) return [];
  const [student, teacher] = await Promise.all([
    score(
      players,
      recipe,
      WeightSet.STUDENT,
      taught.map(({ turn }) => [turn.promptIds, turn.completionIds]),
    ),
    scoreAsTeacher(
      players,
      recipe,
      taught.map(({ turn, teacherPrompt }) => [teacherPrompt, turn.completionIds]),
    ),
  ]);
  const opinions: number[][] = [];
  for (const [place, { index }] of taught.entries()) {
    const before = student[place]?.logprobs ?? [];
    opinions[index] = (teacher[place]?.logprobs ?? []).map(
      (logprob, position) => logprob - (before[position] ?? 0),
    );
  }
  return opinions;
}

/** Prompt and completion. */
type Item = readonly [promptIds: readonly number[], completionIds: readonly number[]];

/** A policy that keeps no teacher's weights teaches with its own. */
async function scoreAsTeacher(
  players: Players,
  recipe: Recipe,
  items: readonly Item[],
): Promise<readonly CompletionScore[]> {
  try {
    return await score(players, recipe, WeightSet.TEACHER, items);
  } catch (error) {
    if (readFailure(error)?.code !== 'FAILED_PRECONDITION') throw error;
    return score(players, recipe, WeightSet.STUDENT, items);
  }
}

async function score(
  { policy, patience }: Players,
  { objective }: Recipe,
  weights: WeightSet,
  items: readonly Item[],
): Promise<readonly CompletionScore[]> {
  const { scores } = await policy.client.score(
    {
      items: items.map(([promptIds, completionIds]) => ({
        promptIds: [...promptIds],
        completionIds: [...completionIds],
      })),
      weights,
      temperature: objective.temperature,
      topK: 0,
    },
    { signal: patience.signal, deadlineMs: deadlines.score },
  );
  return scores;
}
