/** The schema of a recipe: every key of a run, what it allows and what it means. */
import {
  hindsightProblems,
  learningRateProblems,
  objectiveProblems,
  presets,
  type Problem,
} from '@backsight/sdpo';
import { z } from 'zod';
import { flag, number, oneOf, text, whole } from './leaf.js';

const ADDRESS = /^(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/;

const address = (room: string) => text('an address host:port', `Address of the ${room}.`, ADDRESS);

/** Most episodes of one task that are played together. */
export const MOST_SAMPLES = 10_000;

const sampling = z.strictObject({
  temperature: number({ min: 0 }, 'Divides the logits; 0 takes the most likely token.'),
  topP: number({ above: 0, max: 1 }, 'Keeps the smallest set of tokens whose probability reaches this.'),
  maxTokens: whole({ min: 1 }, 'Longest completion, in tokens, the stop token included.'),
});

const wording = z.strictObject({
  version: text('a text', 'Changes with the words, so that two runs can be told apart.'),
  demonstrationHeader: text('a text', 'Stands before a demonstration.', /^/),
  feedbackHeader: text('a text', 'Stands before feedback.', /^/),
  closing: text('a text', 'The last line of a teacher prompt.', /^/),
  ellipsis: text('a text', 'Stands where a text was cut.', /^/),
});

const hindsight = z
  .strictObject({
    demonstrationSource: oneOf(
      ['peers', 'peers-and-self', 'none'],
      'Whose success the teacher may be shown.',
    ),
    feedback: oneOf(
      ['without-demonstration', 'always', 'never'],
      "When the teacher is told a rollout's own feedback.",
    ),
    thinking: oneOf(['removed', 'kept'], 'Whether a demonstration loses its closed think spans.'),
    successThreshold: number({ above: 0, max: 1 }, 'A rollout with this reward or more is a success.'),
    maxTeacherPromptTokens: whole(
      { min: 1 },
      'Longest teacher prompt, in tokens; what is told is cut to fit, and to the context window.',
    ),
    wording,
  })
  .superRefine(report(hindsightProblems));

const support = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('full') }),
  z.strictObject({ kind: z.literal('top-k-tail'), k: whole({ min: 1 }, 'K of the top-K supports.') }),
  z.strictObject({ kind: z.literal('top-k-renormalised'), k: whole({ min: 1 }, 'K of the top-K supports.') }),
]);

const weight = (what: string) => number({ min: 0 }, `Weight of the ${what} term.`);

const objective = z
  .strictObject({
    distillation: z
      .strictObject({
        weight: weight('distillation'),
        alpha: number(
          { min: 0, max: 1 },
          '0 is KL(teacher||student), 1 is KL(student||teacher), between is the generalised Jensen-Shannon divergence.',
        ),
        support,
        granularity: oneOf(
          ['logit', 'sampled-token'],
          'Whole next-token distributions, or the sampled token alone (needs alpha 1).',
        ),
        importanceCap: number(
          { above: 0 },
          "Caps the importance ratio that multiplies a token's loss. Absent: no ratio.",
        ).exactOptional(),
      })
      .exactOptional(),
    policyGradient: z
      .strictObject({
        weight: weight('policy-gradient'),
        clipLow: number({ min: 0, max: 1 }, 'The ratio is clipped below at 1 - clipLow.'),
        clipHigh: number({ min: 0 }, 'The ratio is clipped above at 1 + clipHigh.'),
        dualClip: number(
          { above: 1 },
          'Bounds the loss of a negative advantage at this multiple of it. Absent: unbounded.',
        ).exactOptional(),
      })
      .exactOptional(),
    likelihood: z.strictObject({ weight: weight('likelihood') }).exactOptional(),
    aggregation: oneOf(
      ['token-mean', 'sequence-mean-token-mean', 'sequence-mean-token-sum'],
      'How token losses become one number.',
    ),
    rolloutImportanceCap: number(
      { above: 0 },
      'Caps the ratio of recomputed to sampled probability that multiplies every loss. Absent: no such weight.',
    ).exactOptional(),
    temperature: number({ above: 0 }, 'Divides student and teacher logits.'),
  })
  .superRefine(report(objectiveProblems));

const teacher = z.strictObject({
  kind: oneOf(['ema', 'frozen', 'live', 'trust-region'], 'Whose weights teach.'),
  rate: number(
    { min: 0, max: 1 },
    'Ema: the share of the student taken at each move. Trust-region: the share of the live logits.',
  ),
  cadence: oneOf(
    ['batch', 'step', 'hold'],
    'When an ema teacher moves: once a step, at each mini-batch, or not.',
  ),
});

const optimizer = z
  .strictObject({
    learningRate: number({ above: 0 }, 'After the warm-up.'),
    warmupSteps: whole({ min: 0 }, 'Steps until the full learning rate.'),
    beta1: number({ min: 0, below: 1 }, 'Decay of the first moment.'),
    beta2: number({ min: 0, below: 1 }, 'Decay of the second moment.'),
    epsilon: number({ above: 0 }, 'Added to the root of the second moment.'),
    weightDecay: number({ min: 0 }, 'Decoupled weight decay.'),
    maxGradientNorm: number(
      { above: 0 },
      'Largest global gradient norm. Absent: nothing is clipped.',
    ).exactOptional(),
  })
  .superRefine(report(learningRateProblems));

export const recipeSchema = z.strictObject({
  preset: oneOf(presetNames(), 'The published settings that the other keys change.').exactOptional(),
  name: text('a text of at most 80 characters', 'For people.', /^(?=.*\S).{1,80}$/),
  seed: whole({ min: 0, max: Number.MAX_SAFE_INTEGER }, 'Everything random in the run follows from this.'),
  steps: whole({ min: 1 }, 'Steps to take.'),
  tasksPerStep: whole({ min: 1 }, 'Tasks posed in one step.'),
  groupSize: whole({ min: 1, max: MOST_SAMPLES }, 'Rollouts of each task.'),
  stopWhenSolved: flag('Ends the run once a rollout solves its task, before any training on it.'),
  taskOrder: oneOf(['shuffled', 'listed'], 'Whether each epoch has a random order or the listed one.'),
  policy: z.strictObject({
    address: address('policy'),
    followers: z
      .array(z.string().regex(ADDRESS))
      .meta({
        allowed: 'a list of addresses host:port',
        description:
          "Addresses of the policy's followers, which sample in its place. Absent: those that the coordinator knows of.",
      })
      .exactOptional(),
    start: text(
      'current, initial or the name of a checkpoint',
      'The weights to start from: those the policy has, those it was started with, or a checkpoint.',
    ),
    templateArguments: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).meta({
      allowed: 'a map of texts, numbers, true or false',
      description: 'Further variables of the chat template, for example enable_thinking.',
    }),
  }),
  environment: z.strictObject({
    address: address('environment'),
    split: text('the name of a split', 'The tasks to train on.'),
    task: text(
      'the name of a task',
      'One task of the split, posed at every step (test-time training). Absent: all of them.',
    ).exactOptional(),
  }),
  sampling,
  hindsight: hindsight.exactOptional(),
  objective,
  teacher: teacher.exactOptional(),
  examples: z.strictObject({
    advantage: oneOf(['centred', 'standardised'], 'How rewards become advantages.'),
    routing: oneOf(
      ['blended', 'by-outcome'],
      'Whether an example bears all losses, or distillation if it failed and the policy gradient otherwise.',
    ),
    questionWeighting: oneOf(['equal', 'uncertainty'], "How much each question's distillation counts."),
    untaught: oneOf(['kept', 'dropped'], 'Whether completions that nobody teaches are trained on at all.'),
  }),
  optimizer,
  miniBatches: whole({ min: 1 }, 'Optimizer steps per step.'),
  evaluation: z
    .strictObject({
      split: text('the name of a split', 'The tasks to evaluate on.'),
      everySteps: whole({ min: 1 }, 'Evaluates after each so many steps, and after the last.'),
      samplesPerTask: whole({ min: 1, max: MOST_SAMPLES }, 'Samples of each task.'),
      sampling,
      beforeTraining: flag('Evaluates once before the first step.'),
    })
    .exactOptional(),
  checkpoint: z.strictObject({
    everySteps: whole(
      { min: 0 },
      'Saves a checkpoint after each so many steps, and after the last; 0 saves none.',
    ),
    keepLast: whole(
      { min: 1 },
      'Keeps so many checkpoints, each new one in place of the oldest. Absent: keeps all.',
    ).exactOptional(),
  }),
  maxStaleness: whole(
    { min: 0 },
    'Steps that the sampling weights may lag behind: episodes of later steps are played while a step trains. 0 is on-policy.',
  ),
});

/** A recipe as a file may have it. */
export type RecipeFile = z.infer<typeof recipeSchema>;

function presetNames(): readonly [string, ...string[]] {
  const [first = '', ...rest] = Object.keys(presets);
  return [first, ...rest];
}

/** Reports the problems that the algorithm's library finds, under their own paths. */
function report<T>(
  problemsOf: (value: T) => readonly Problem[],
): (value: T, context: z.RefinementCtx<T>) => void {
  return (value, context) => {
    for (const { field, problem } of problemsOf(value)) {
      context.addIssue({
        code: 'custom',
        path: field === 'objective' ? [] : field.split('.'),
        message: problem,
      });
    }
  };
}
