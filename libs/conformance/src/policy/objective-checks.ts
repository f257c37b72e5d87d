/** Losses: what a step reports is what the specification computes from the distributions that Score shows. */
import {
  Aggregation,
  Granularity,
  ObjectiveKind,
  type Objective as WireObjective,
  SupportKind,
  TeacherCadence,
  TeacherKind,
  WeightSet,
} from '@backsight/contract/policy';
import {
  carriesLoss,
  logSoftmax,
  type Objective,
  objectiveLoss,
  type ScoredCompletion,
} from '@backsight/sdpo';
import { type Check, expectThat, NotOffered } from '../suite/check.js';
import { type Item, logprobsOf } from './ask.js';
import { denseLogprobs } from './dense.js';
import type { PolicySubject } from './subject.js';
import { exampleOf, groundOf, optimizerOf, planOf, requireObjective, train } from './transaction.js';

/** An objective under which a loss is compared, and the kind that a policy must offer for it. */
interface GoldenObjective {
  /** The check's name, after `objective.`. */
  readonly name: string;
  readonly what: string;
  readonly kind: ObjectiveKind;
  readonly objective: Objective;
}

const plain = { aggregation: 'token-mean', temperature: 1 } as const;
const distillation = { weight: 1, alpha: 0.5, support: { kind: 'full' }, granularity: 'logit' } as const;
const policyGradient = { weight: 1, clipLow: 0.2, clipHigh: 0.28 } as const;
const { DISTILLATION, LIKELIHOOD, POLICY_GRADIENT } = ObjectiveKind;

const distils = (
  name: string,
  what: string,
  changes: Partial<Objective['distillation']>,
  rest: Partial<Objective> = {},
): GoldenObjective => ({
  name,
  what: `distillation, ${what}`,
  kind: DISTILLATION,
  objective: { ...plain, distillation: { ...distillation, ...changes }, ...rest },
});

const objectives: readonly GoldenObjective[] = [
  {
    name: 'likelihood',
    what: 'likelihood',
    kind: LIKELIHOOD,
    objective: { ...plain, likelihood: { weight: 1 } },
  },
  {
    name: 'likelihood-sums',
    what: 'likelihood at temperature 0.7, mean of sequence sums',
    kind: LIKELIHOOD,
    objective: { aggregation: 'sequence-mean-token-sum', temperature: 0.7, likelihood: { weight: 0.5 } },
  },
  distils('forward-kl', 'alpha 0', { alpha: 0 }),
  distils('jensen-shannon', 'alpha 0.5', { alpha: 0.5 }),
  distils('reverse-kl', 'alpha 1 at temperature 1.5', { alpha: 1 }, { temperature: 1.5 }),
  distils('top-k-tail', 'the top 5 and a tail', { alpha: 0.5, support: { kind: 'top-k-tail', k: 5 } }),
  distils('top-k', 'the top 5 renormalised', { alpha: 1, support: { kind: 'top-k-renormalised', k: 5 } }),
  distils('sampled-token', 'sampled tokens', { alpha: 1, granularity: 'sampled-token' }),
  distils(
    'importance-cap',
    'importance cap 1.5, mean of sequence means',
    { importanceCap: 1.5 },
    { aggregation: 'sequence-mean-token-mean' },
  ),
  distils('rollout-cap', 'rollout importance cap 1.2', {}, { rolloutImportanceCap: 1.2 }),
  {
    name: 'policy-gradient',
    what: 'policy gradient',
    kind: POLICY_GRADIENT,
    objective: { ...plain, policyGradient },
  },
  {
    name: 'dual-clip',
    what: 'policy gradient with a dual clip, mean of sequence means',
    kind: POLICY_GRADIENT,
    objective: {
      aggregation: 'sequence-mean-token-mean',
      temperature: 1,
      policyGradient: { ...policyGradient, dualClip: 1.4 },
    },
  },
];

export const objectiveChecks: readonly Check<PolicySubject>[] = [
  ...objectives.map((golden) => ({
    name: `objective.${golden.name}`,
    promise: `reports the loss that the specification computes: ${golden.what}`,
    run: (subject: PolicySubject) => asSpecified(subject, golden),
  })),
  {
    name: 'objective.blend',
    promise: 'adds the terms of an objective by their weights, and weighs examples by theirs',
    run: async (subject) => {
      for (const kind of [DISTILLATION, POLICY_GRADIENT, LIKELIHOOD]) requireObjective(subject, kind);
      await asSpecified(subject, { kind: DISTILLATION, objective: blend });
    },
  },
];

const blend: Objective = {
  ...plain,
  distillation: { ...distillation, weight: 0.7 },
  policyGradient: { ...policyGradient, weight: 0.3 },
  likelihood: { weight: 0.1 },
};

/** Old logprobs are given elsewhere than the policy's own, so that ratios, caps and clips show. */
const SHIFTS = [-0.5, 0.3, 0, 0.7, -0.2, 0.1];

async function asSpecified(
  subject: PolicySubject,
  { kind, objective }: Pick<GoldenObjective, 'kind' | 'objective'>,
): Promise<void> {
  requireObjective(subject, kind);
  const teacher = objective.distillation === undefined ? undefined : teacherOf(subject);
  const { version, items } = await groundOf(subject, 4);
  const own = await denseLogprobs(subject, items);
  const taught = items.map((item) => ({ ...item, promptIds: [...item.promptIds].reverse() }));
  const theirs =
    teacher === undefined ? [] : await denseLogprobs(subject, taught, { weights: teacher.scoredUnder });
  const examples = items.map((item, index): Weighed => {
    // The last example is untaught: it carries the other losses alone.
    const isTaught = teacher !== undefined && index < items.length - 1;
    return {
      item,
      teacherPromptIds: isTaught ? (taught[index]?.promptIds ?? []) : [],
      sampledLogprobs: item.completionIds.map((id, position) =>
        Math.fround(
          Math.min(
            0,
            (own[index]?.[position]?.[id] ?? 0) + (SHIFTS[(index + position) % SHIFTS.length] ?? 0),
          ),
        ),
      ),
      advantage: [1, -1.5, 0.5][index % 3] ?? 0,
      weight: [1, 0.5, 2][index % 3] ?? 1,
    };
  });
  const recomputed = await logprobsOf(subject, items, { temperature: objective.temperature });
  const expected = objectiveLoss(objective, scoredCompletions(objective, examples, own, theirs, recomputed));
  const plan = planOf({
    expectedVersion: version,
    objective: wireObjective(objective),
    teacher: teacher && { kind: teacher.kind, rate: 0, cadence: TeacherCadence.HOLD },
    optimizer: optimizerOf(1e-12),
  });
  const report = await train(subject, plan, examples.map(wireExample));
  const [step] = report.steps;
  for (const part of ['loss', 'distillationLoss', 'policyGradientLoss', 'likelihoodLoss'] as const) {
    const [found, wanted] = [step?.[part] ?? NaN, expected[part]];
    expectThat(
      Math.abs(found - wanted) <= subject.tolerance.loss * Math.max(1, Math.abs(wanted)),
      `${spoken(part)} is ${found}, the specification has ${wanted}`,
    );
  }
  const carrying = examples.reduce(
    (sum, { item, teacherPromptIds }) =>
      sum + (carriesLoss(objective, teacherPromptIds.length > 0) ? item.completionIds.length : 0),
    0,
  );
  expectThat(
    step?.lossTokens === carrying,
    `loss_tokens is ${step?.lossTokens ?? 0}, ${carrying} carry a loss`,
  );
}

/** An example and the weight of all its losses. */
interface Weighed {
  readonly item: Item;
  /** Empty: nobody teaches it. */
  readonly teacherPromptIds: readonly number[];
  readonly sampledLogprobs: readonly number[];
  readonly advantage: number;
  readonly weight: number;
}

type Dense = readonly (readonly (readonly number[])[])[];

function scoredCompletions(
  objective: Objective,
  examples: readonly Weighed[],
  own: Dense,
  theirs: Dense,
  recomputed: readonly number[],
): readonly ScoredCompletion[] {
  let place = 0;
  return examples.map(({ item, teacherPromptIds, sampledLogprobs, advantage, weight }, index) => ({
    advantage,
    distillationWeight: weight,
    policyGradientWeight: weight,
    likelihoodWeight: weight,
    tokens: item.completionIds.map((id, position) => {
      const sampledLogprob = sampledLogprobs[position] ?? 0;
      const now = recomputed[place++] ?? NaN;
      return {
        id,
        studentLogits: logSoftmax(own[index]?.[position] ?? []),
        ...(teacherPromptIds.length === 0 ? {} : { teacherLogits: theirs[index]?.[position] ?? [] }),
        oldLogprob: objective.rolloutImportanceCap === undefined ? sampledLogprob : now,
        sampledLogprob,
      };
    }),
  }));
}

const wireExample = ({ item, teacherPromptIds, sampledLogprobs, advantage, weight }: Weighed) =>
  exampleOf(item, sampledLogprobs, {
    teacherPromptIds: [...teacherPromptIds],
    advantage,
    distillationWeight: weight,
    policyGradientWeight: weight,
    likelihoodWeight: weight,
  });

/** A teacher whose distribution Score shows. */
function teacherOf({ card }: PolicySubject): { readonly kind: TeacherKind; readonly scoredUnder: WeightSet } {
  const teachers = card.training?.teachers ?? [];
  if (teachers.includes(TeacherKind.LIVE)) return { kind: TeacherKind.LIVE, scoredUnder: WeightSet.STUDENT };
  if (teachers.includes(TeacherKind.EMA)) return { kind: TeacherKind.EMA, scoredUnder: WeightSet.TEACHER };
  throw new NotOffered(
    'Describe names neither a live nor an EMA teacher, whose distributions Score would show',
  );
}

function wireObjective({ distillation, ...objective }: Objective): WireObjective {
  return {
    ...objective,
    distillation: distillation && {
      ...distillation,
      importanceCap: distillation.importanceCap,
      granularity: distillation.granularity === 'logit' ? Granularity.LOGIT : Granularity.SAMPLED_TOKEN,
      support: {
        kind: supports[distillation.support.kind],
        k: distillation.support.kind === 'full' ? 0 : distillation.support.k,
      },
    },
    policyGradient: objective.policyGradient && {
      ...objective.policyGradient,
      dualClip: objective.policyGradient.dualClip,
    },
    likelihood: objective.likelihood,
    aggregation: aggregations[objective.aggregation],
    rolloutImportanceCap: objective.rolloutImportanceCap,
  };
}

const supports = {
  full: SupportKind.FULL,
  'top-k-tail': SupportKind.TOP_K_TAIL,
  'top-k-renormalised': SupportKind.TOP_K_RENORMALISED,
} as const;

const aggregations = {
  'token-mean': Aggregation.TOKEN_MEAN,
  'sequence-mean-token-mean': Aggregation.SEQUENCE_MEAN_TOKEN_MEAN,
  'sequence-mean-token-sum': Aggregation.SEQUENCE_MEAN_TOKEN_SUM,
} as const;

const spoken = (part: string): string => part.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
