/** A step's rollouts made into examples: each turn of an episode is a completion of its own, and all share the outcome. */
import {
  buildExamples,
  type Example,
  type ExampleOptions,
  type ExampleSet,
  exampleDefaults,
  type Group,
  hindsightDefaults,
  type MaskReason,
  type Message,
  type Metrics,
  type Rollout,
  stepMetrics,
  type Teaching,
} from '@backsight/sdpo';
import type { Renderer } from '@backsight/renderer';
import type { Recipe } from '../recipe/recipe.js';
import { unpackOutcome } from '../rooms/wire.js';
import type { Lesson, RolloutRecord, Turn } from '../store/rollout-record.js';

/** What a step trains on, and the record of what taught it. */
export interface StepLesson {
  readonly examples: readonly Example[];
  /** Examples whose rollout is a success, by rollout id. */
  readonly successes: ReadonlySet<string>;
  readonly lessons: readonly Lesson[];
  readonly metrics: Metrics;
}

/** Makes a step's examples. Pure: the same rollouts, recipe and renderer give the same examples. */
export function makeExamples(
  rollouts: readonly RolloutRecord[],
  recipe: Recipe,
  renderer: Renderer,
  contextWindow: number,
): StepLesson {
  const places = new Map<string, Place>();
  const turns = Math.max(1, ...rollouts.map((rollout) => rollout.turns.length));
  const sets = Array.from({ length: turns }, (_, turn) => {
    const groups = groupsAtTurn(rollouts, turn, places);
    return buildExamples({
      groups,
      options: exampleOptions(recipe),
      seed: recipe.seed,
      contextWindow,
      render: (messages, { id }) => renderTurn(renderer, places.get(id), messages),
    });
  });
  const set = merged(sets, (id) => places.get(id)?.spectator === false);
  const { successThreshold } = recipe.hindsight ?? hindsightDefaults;
  return {
    examples: set.examples,
    successes: new Set(
      [...places].filter(([, { rollout }]) => rollout.outcome.reward >= successThreshold).map(([id]) => id),
    ),
    lessons: rollouts.map((rollout) => lessonOf(rollout, set)),
    metrics: stepMetrics(wholeEpisodes(rollouts), set, { successThreshold }),
  };
}

/** Where a completion comes from. */
interface Place {
  readonly rollout: RolloutRecord;
  readonly turn: number;
  /** An episode that ended before this turn: it counts for its group, and has nothing to train on. */
  readonly spectator: boolean;
}

/** Identity of a completion: that of its rollout, and for later turns the turn, counted from 0. */
const completionId = (rolloutId: string, turn: number): string =>
  turn === 0 ? rolloutId : `${rolloutId}#${turn}`;
const rolloutIdOf = (id: string): string => id.split('#')[0] ?? id;

function exampleOptions({ hindsight, examples }: Recipe): ExampleOptions {
  return {
    ...(hindsight === undefined ? {} : { hindsight }),
    wording: hindsight?.wording ?? exampleDefaults.wording,
    maxTeacherPromptTokens: hindsight?.maxTeacherPromptTokens ?? exampleDefaults.maxTeacherPromptTokens,
    ...examples,
  };
}

/**
 * The groups as they stand at a turn. Whole groups, so that advantages and demonstrations are those of the episodes: a sibling
 * that ended earlier takes part as a spectator. What a demonstration shows is the whole of an episode.
 */
function groupsAtTurn(
  rollouts: readonly RolloutRecord[],
  turn: number,
  places: Map<string, Place>,
): readonly Group[] {
  const groups = new Map<number, Rollout[]>();
  for (const rollout of rollouts) {
    const played = rollout.turns[turn];
    const id = completionId(rollout.rolloutId, turn);
    const spectator = played === undefined || played.completionIds.length === 0;
    places.set(id, { rollout, turn, spectator });
    const member = { ...sdpoRollout(rollout, played), id, groupId: `${rollout.step}.${rollout.groupIndex}` };
    groups.set(rollout.groupIndex, [...(groups.get(rollout.groupIndex) ?? []), member]);
  }
  // A turn that nobody of a group reached has nothing to teach.
  return [...groups.values()]
    .filter((members) => turn === 0 || members.some(({ id }) => places.get(id)?.spectator === false))
    .map((members) => ({
      id: members[0]?.groupId ?? '',
      taskId: members[0]?.taskId ?? '',
      rollouts: members,
    }));
}

/** Episodes as single completions, for the figures of a step. */
function wholeEpisodes(rollouts: readonly RolloutRecord[]): readonly Group[] {
  return groupsAtTurn(rollouts, 0, new Map()).map((group) => ({
    ...group,
    rollouts: group.rollouts.map((member) => {
      const turns = rollouts.find(({ rolloutId }) => rolloutId === member.id)?.turns ?? [];
      return { ...member, completionIds: turns.flatMap(({ completionIds }) => completionIds) };
    }),
  }));
}

function sdpoRollout(rollout: RolloutRecord, turn: Turn | undefined): Omit<Rollout, 'id' | 'groupId'> {
  return {
    taskId: rollout.taskId,
    promptMessages: turn?.messages ?? [],
    promptIds: turn?.promptIds ?? [],
    completionIds: turn?.completionIds ?? [],
    logprobs: turn?.logprobs ?? [],
    text: transcript(rollout),
    outcome: unpackOutcome(rollout.outcome),
    policyVersion: turn?.policyVersion ?? 0,
  };
}

/** An episode in words: the answer, or with several turns each answer and what the world said to it. */
export function transcript({ turns }: RolloutRecord): string {
  return turns
    .flatMap((turn, index) => [
      ...(index === 0 ? [] : turn.messages.map(({ content }) => content)),
      turn.text,
    ])
    .join('\n\n');
}

/** A turn's conversation with its last observation told otherwise; what came before is never rendered again. */
function renderTurn(
  renderer: Renderer,
  place: Place | undefined,
  messages: readonly Message[],
): readonly number[] {
  if (place === undefined) throw new Error('A completion was retold that no rollout has.');
  const { rollout, turn } = place;
  const before = rollout.turns[turn - 1];
  return before === undefined
    ? renderer.encodePrompt(messages, { tools: rollout.tools })
    : renderer.extendPrompt(before.promptIds, before.completionIds, messages);
}

/** The examples of all turns, spectators left out. */
function merged(sets: readonly ExampleSet[], takesPart: (id: string) => boolean): ExampleSet {
  const teachings = sets.flatMap((set) => set.teachings).filter(({ rolloutId }) => takesPart(rolloutId));
  const counts = sets[0]?.maskedCounts ?? NONE_MASKED;
  const maskedCounts = Object.fromEntries(
    Object.keys(counts).map((reason) => [
      reason,
      teachings.filter((each) => each.kind === 'masked' && each.reason === reason).length,
    ]),
  );
  return {
    examples: sets.flatMap((set) => set.examples).filter(({ rolloutId }) => takesPart(rolloutId)),
    teachings,
    maskedCounts: { ...NONE_MASKED, ...maskedCounts },
  };
}

const NONE_MASKED: Readonly<Record<MaskReason, number>> = {
  'no-success': 0,
  'only-success': 0,
  'no-feedback': 0,
  'too-long': 0,
  routed: 0,
  off: 0,
};

/** What the teacher was told about a rollout, for the journal. */
function lessonOf(rollout: RolloutRecord, { examples, teachings }: ExampleSet): Lesson {
  const ofRollout = (id: string): boolean => rolloutIdOf(id) === rollout.rolloutId;
  const taught = teachings.find(
    (each): each is Extract<Teaching, { kind: 'taught' }> =>
      each.kind === 'taught' && ofRollout(each.rolloutId),
  );
  return {
    rolloutId: rollout.rolloutId,
    demonstrationRolloutId: rolloutIdOf(taught?.demonstrationRolloutId ?? ''),
    teacherFeedback: taught?.feedback ?? '',
    teacherPromptIds: rollout.turns.map(
      (_, turn) =>
        examples.find(({ rolloutId }) => rolloutId === completionId(rollout.rolloutId, turn))
          ?.teacherPromptIds ?? [],
    ),
  };
}
