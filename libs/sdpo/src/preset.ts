/**
 * Presets: the settings of the published runs, written once.
 *
 * They are what the paper's tables and scripts ran with (arXiv 2601.20802, Tab. 12 and 13), not the defaults of any released
 * configuration file; those disagree among themselves, and some describe another algorithm. The clip of the advantage at 5 in the
 * test-time runs is the one published setting that is missing: it was never released.
 */

import { type AdvantageKind } from './advantage.js';
import { exampleDefaults } from './example.js';
import { hindsightDefaults, type HindsightOptions } from './hindsight.js';
import { type LearningRateSchedule } from './learning-rate.js';
import { type Objective } from './objective.js';

/** Everything about a run that is not a task, a model or a machine. */
export interface Preset {
  readonly objective: Objective;
  /** Absent: nobody teaches. */
  readonly hindsight?: HindsightOptions;
  /** Absent: nobody teaches. */
  readonly teacher?: TeacherPreset;
  readonly advantage: AdvantageKind;
  readonly optimizer: OptimizerPreset;
  /** How completions are sampled. */
  readonly sampling: { readonly temperature: number; readonly topP: number };
  readonly tasksPerStep: number;
  /** Rollouts per task. */
  readonly groupSize: number;
  /** Optimizer steps per step of the run. */
  readonly miniBatches: number;
  readonly maxPromptTokens: number;
  readonly maxCompletionTokens: number;
  readonly maxTeacherPromptTokens: number;
}

/** Whose weights teach, and when they move. */
export interface TeacherPreset {
  readonly kind: 'ema' | 'frozen' | 'live' | 'trust-region';
  /** EMA: share of the student taken at each move. Trust region: share of the live logits. In [0, 1]. */
  readonly rate: number;
  /** When an EMA teacher moves: after all optimizer steps of a batch, after each of them, or not. */
  readonly cadence: 'batch' | 'step' | 'hold';
}

/** AdamW with decoupled weight decay and global-norm clipping. */
export interface OptimizerPreset extends LearningRateSchedule {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly maxGradientNorm: number;
}

/** The published runs, by name. */
export type PresetName = 'sdpo-scalar-feedback' | 'sdpo-rich-feedback' | 'sdpo-test-time' | 'grpo';

const optimizer = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  maxGradientNorm: 1,
};

const everyRun = {
  advantage: 'centred',
  sampling: { temperature: 1, topP: 1 },
  tasksPerStep: 32,
  groupSize: 8,
  maxPromptTokens: 2048,
  maxCompletionTokens: 8192,
  maxTeacherPromptTokens: exampleDefaults.maxTeacherPromptTokens,
} as const;

/** Common to all objectives. One completion per micro-batch made the token mean of the released code a mean over completions. */
const everyObjective = {
  aggregation: 'sequence-mean-token-mean',
  rolloutImportanceCap: 2,
  temperature: 1,
} as const;

/** Reverse KL on the 20 likeliest tokens, a slow teacher and small steps: the runs that have feedback in words. */
const richFeedback = {
  ...everyRun,
  objective: {
    ...everyObjective,
    distillation: {
      weight: 1,
      alpha: 1,
      support: { kind: 'top-k-tail', k: 20 },
      granularity: 'logit',
      importanceCap: 2,
    },
  },
  hindsight: hindsightDefaults,
  teacher: { kind: 'ema', rate: 0.01, cadence: 'batch' },
  optimizer: { ...optimizer, learningRate: 1e-6, warmupSteps: 0 },
  miniBatches: 32,
} as const satisfies Preset;

export const presets: Readonly<Record<PresetName, Preset>> = {
  /** Sec. 3: a reward alone; the group's successes are all the hindsight there is. */
  'sdpo-scalar-feedback': {
    ...everyRun,
    objective: {
      ...everyObjective,
      distillation: {
        weight: 1,
        alpha: 0.5,
        support: { kind: 'top-k-tail', k: 100 },
        granularity: 'logit',
        importanceCap: 2,
      },
    },
    hindsight: { ...hindsightDefaults, feedback: 'never' },
    teacher: { kind: 'ema', rate: 0.05, cadence: 'batch' },
    optimizer: { ...optimizer, learningRate: 1e-5, warmupSteps: 10 },
    miniBatches: 1,
  },
  /** Sec. 4: the environment says in words what went wrong. */
  'sdpo-rich-feedback': richFeedback,
  /** Sec. 5: one hard task, until it is solved; there is no success to show, only feedback. */
  'sdpo-test-time': {
    ...richFeedback,
    hindsight: { ...hindsightDefaults, demonstrationSource: 'none', feedback: 'always' },
    tasksPerStep: 1,
    groupSize: 16,
    miniBatches: 1,
  },
  /** The baseline: group-centred advantages, asymmetric and dual clip (App. A.4). */
  grpo: {
    ...everyRun,
    objective: {
      ...everyObjective,
      policyGradient: { weight: 1, clipLow: 0.2, clipHigh: 0.28, dualClip: 3 },
    },
    optimizer: { ...optimizer, learningRate: 1e-6, warmupSteps: 10 },
    miniBatches: 4,
  },
};
