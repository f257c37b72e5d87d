/** Examples: groups of rollouts made into what a training step takes, with a record of what taught each. */

import { type AdvantageKind, groupAdvantages } from './advantage.js';
import {
  chooseHindsight,
  hindsightDefaults,
  type HindsightOptions,
  hindsightProblems,
  isSuccess,
  type NoHindsight,
} from './hindsight.js';
import { numberProblems, type Problem, within } from './problem.js';
import { questionWeights, type QuestionWeighting } from './question-weight.js';
import { type Seed } from './random.js';
import { neutralWording, type RenderPrompt, reprompt, type Wording } from './reprompt.js';
import { type Group, type Message, type Rollout } from './rollout.js';

/** A completion with its student and teacher prompts. */
export interface Example {
  /** Shape [P]. */
  readonly studentPromptIds: readonly number[];
  /** Empty when nothing teaches this completion: its distillation loss is masked. Shape [P']. */
  readonly teacherPromptIds: readonly number[];
  /** Exactly as sampled; the student and the teacher are both scored on these. Shape [T]. */
  readonly completionIds: readonly number[];
  /** Exactly as sampled. Shape [T]. */
  readonly completionLogprobs: readonly number[];
  readonly policyVersion: number;
  readonly advantage: number;
  /** Multiplies the distillation loss. */
  readonly distillationWeight: number;
  /** Multiplies the policy-gradient loss. */
  readonly policyGradientWeight: number;
  readonly rolloutId: string;
}

/** How examples are made. */
export interface ExampleOptions {
  /** What the teacher may know. Absent: nobody teaches, as for a policy gradient alone. */
  readonly hindsight?: HindsightOptions;
  readonly wording: Wording;
  /** Longest teacher prompt; what is told is cut to fit. */
  readonly maxTeacherPromptTokens: number;
  readonly advantage: AdvantageKind;
  /**
   * Which losses an example bears: `blended` all of the objective's, `by-outcome` distillation alone if it failed and has a
   * teacher, and the policy gradient alone otherwise (SRPO, arXiv 2604.02288).
   */
  readonly routing: 'blended' | 'by-outcome';
  readonly questionWeighting: QuestionWeighting;
  /**
   * Whether completions that nobody teaches are trained on at all. Kept, they count as completions in a sequence mean, as in the
   * published runs. Drop them only under an objective that distils and nothing else.
   */
  readonly untaught: 'kept' | 'dropped';
}

/** The published settings. */
export const exampleDefaults = {
  hindsight: hindsightDefaults,
  wording: neutralWording,
  maxTeacherPromptTokens: 10_240,
  advantage: 'centred',
  routing: 'blended',
  questionWeighting: 'equal',
  untaught: 'kept',
} as const satisfies ExampleOptions;

/** Why a rollout has no teacher: nothing to tell, no room to tell it, sent to the policy gradient, or none was wanted. */
export type MaskReason = NoHindsight | 'too-long' | 'routed' | 'off';

/** What taught one rollout, for the record. */
export type Teaching = Taught | Masked;

/** A rollout with a teacher. */
export interface Taught {
  readonly kind: 'taught';
  readonly rolloutId: string;
  /** The teacher's prompt, in words. */
  readonly messages: readonly Message[];
  /** The rollout that was shown. */
  readonly demonstrationRolloutId?: string;
  /** The feedback that was told, before any cut. */
  readonly feedback?: string;
  /** Whether what was told was cut to fit. */
  readonly truncated: boolean;
}

/** A rollout without a teacher. */
export interface Masked {
  readonly kind: 'masked';
  readonly rolloutId: string;
  readonly reason: MaskReason;
}

/** The examples of a step. */
export interface ExampleSet {
  readonly examples: readonly Example[];
  /** One per rollout, in order. */
  readonly teachings: readonly Teaching[];
  /** Rollouts without a teacher, by reason. */
  readonly maskedCounts: Readonly<Record<MaskReason, number>>;
}

/** What examples are made from. */
export interface ExampleRequest {
  /** Whole groups: the rest of the group is where demonstrations and advantages come from. */
  readonly groups: readonly Group[];
  readonly options: ExampleOptions;
  /** Chooses demonstrations. */
  readonly seed: Seed;
  readonly render: RenderPrompt;
  /** Longest prompt plus completion that the policy takes, in tokens. */
  readonly contextWindow: number;
}

/** Makes examples of groups. With `equal` question weights, a step's groups may as well be made one by one as they end. */
export function buildExamples(request: ExampleRequest): ExampleSet {
  const { groups, options } = request;
  const { successThreshold } = options.hindsight ?? hindsightDefaults;
  const weights = questionWeights(groups, options.questionWeighting, successThreshold);
  const made = groups.flatMap((group, index) => groupExamples(request, group, weights[index] ?? 1));
  return {
    examples: made
      .filter(({ teaching }) => options.untaught === 'kept' || teaching.kind === 'taught')
      .map(({ example }) => example),
    teachings: made.map(({ teaching }) => teaching),
    maskedCounts: countMasked(made.map(({ teaching }) => teaching)),
  };
}

/** What is wrong with the options; empty when nothing is. */
export function exampleProblems(options: ExampleOptions): readonly Problem[] {
  return [
    ...(options.hindsight === undefined ? [] : within('hindsight', hindsightProblems(options.hindsight))),
    ...numberProblems('maxTeacherPromptTokens', options.maxTeacherPromptTokens, { atLeast: 1, whole: true }),
  ];
}

interface Made {
  readonly example: Example;
  readonly teaching: Teaching;
}

function groupExamples(request: ExampleRequest, group: Group, questionWeight: number): readonly Made[] {
  const advantages = groupAdvantages(
    group.rollouts.map(({ outcome }) => outcome.reward),
    request.options.advantage,
  );
  return group.rollouts.map((rollout, index) => {
    const taught = teach(request, rollout, group);
    const distilledOnly = request.options.routing === 'by-outcome' && taught.teaching.kind === 'taught';
    return {
      teaching: taught.teaching,
      example: {
        studentPromptIds: rollout.promptIds,
        teacherPromptIds: taught.teacherPromptIds,
        completionIds: rollout.completionIds,
        completionLogprobs: rollout.logprobs,
        policyVersion: rollout.policyVersion,
        advantage: advantages[index] ?? 0,
        distillationWeight: questionWeight,
        policyGradientWeight: distilledOnly ? 0 : 1,
        rolloutId: rollout.id,
      },
    };
  });
}

interface Told {
  readonly teaching: Teaching;
  readonly teacherPromptIds: readonly number[];
}

function teach(request: ExampleRequest, rollout: Rollout, group: Group): Told {
  const { options, seed, render, contextWindow } = request;
  const { hindsight: rules } = options;
  if (rules === undefined) return masked(rollout, 'off');
  if (options.routing === 'by-outcome' && isSuccess(rollout, rules)) return masked(rollout, 'routed');
  const hindsight = chooseHindsight(rollout, group, rules, seed);
  if (typeof hindsight === 'string') return masked(rollout, hindsight);
  const room = Math.min(options.maxTeacherPromptTokens, contextWindow - rollout.completionIds.length);
  const prompt = reprompt(rollout, hindsight, options.wording, render, room);
  if (prompt === undefined) return masked(rollout, 'too-long');
  const { demonstration, feedback } = hindsight;
  return {
    teacherPromptIds: prompt.ids,
    teaching: {
      kind: 'taught',
      rolloutId: rollout.id,
      messages: prompt.messages,
      ...(demonstration === undefined ? {} : { demonstrationRolloutId: demonstration.rolloutId }),
      ...(feedback === undefined ? {} : { feedback }),
      truncated: prompt.cutTo !== undefined,
    },
  };
}

function masked({ id }: Rollout, reason: MaskReason): Told {
  return { teacherPromptIds: [], teaching: { kind: 'masked', rolloutId: id, reason } };
}

function countMasked(teachings: readonly Teaching[]): Readonly<Record<MaskReason, number>> {
  const count = (reason: MaskReason) =>
    teachings.filter((teaching) => teaching.kind === 'masked' && teaching.reason === reason).length;
  return {
    'no-success': count('no-success'),
    'only-success': count('only-success'),
    'no-feedback': count('no-feedback'),
    'too-long': count('too-long'),
    routed: count('routed'),
    off: count('off'),
  };
}
