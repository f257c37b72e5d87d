import type { TeacherSettings, TrainExample } from '@backsight/engine';
import { teacherInputs } from '../transformer/head.js';
import type { Model } from '../transformer/model.js';
import { floatTensor, type Feeds } from '../session.js';
import type { PolicyWeights } from './policy-weights.js';

/** A weight set as a teacher: final hidden states per example, shape [T, D] each, and the output projection they go with. */
interface TaughtBy {
  readonly weights: Float32Array;
  readonly hidden: ReadonlyMap<TrainExample, Float32Array>;
}

/** What a teacher hands to training: enough to form its logits, and no [N, V] tensor. */
export interface Teaching {
  readonly own: TaughtBy;
  /** The live part of a trust region. */
  readonly live?: TaughtBy;
}

/**
 * Lets the teacher read the examples' teacher prompts and completions.
 *
 * `live` are the student's weights at the start of the transaction, which a live teacher and a trust region go by.
 */
export async function teach(
  model: Model,
  policy: PolicyWeights,
  settings: TeacherSettings,
  live: Float32Array,
  examples: readonly TrainExample[],
  signal: AbortSignal,
): Promise<Teaching> {
  const by = async (weights: Float32Array): Promise<TaughtBy> => {
    const sequences = examples.map(({ teacherPromptIds, completionIds }) => ({
      promptIds: teacherPromptIds,
      completionIds,
    }));
    const states = await model.hiddenStates(weights, sequences, signal);
    return {
      weights,
      hidden: new Map(examples.map((example, i) => [example, states[i] ?? new Float32Array()])),
    };
  };
  switch (settings.kind) {
    case 'ema':
      return { own: await by(policy.teacher.flat) };
    case 'frozen':
      return { own: await by(policy.initial.flat) };
    case 'live':
      return { own: await by(live) };
    case 'trust-region':
      return { own: await by(policy.initial.flat), live: await by(live) };
  }
}

/** Whether the teacher moves between the steps of one transaction. */
export function movesPerStep({ kind, cadence }: TeacherSettings): boolean {
  return kind === 'ema' && cadence === 'step';
}

/** Teacher feeds of a training run over the examples' completion tokens, in their order; zeros where nothing teaches. */
export function teacherFeeds(
  model: Model,
  { own, live }: Teaching,
  examples: readonly TrainExample[],
): Feeds {
  const width = model.config.hiddenSize;
  const gather = ({ hidden }: TaughtBy) => {
    const tokens = examples.reduce((sum, { completionIds }) => sum + completionIds.length, 0);
    const rows = new Float32Array(tokens * width);
    let offset = 0;
    for (const example of examples) {
      const states = hidden.get(example);
      if (states !== undefined) rows.set(states, offset);
      offset += example.completionIds.length * width;
    }
    return floatTensor(rows, [tokens, width]);
  };
  return {
    [teacherInputs.hidden]: gather(own),
    ...model.outputFeed(teacherInputs.output, own.weights),
    ...(live && {
      [teacherInputs.liveHidden]: gather(live),
      ...model.outputFeed(teacherInputs.liveOutput, live.weights),
    }),
  };
}
