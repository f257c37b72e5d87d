import type { StepReport, TrainPlan } from '@backsight/engine';
import { adapterFeeds } from '../transformer/adapters.js';
import { packSequences, type SequenceBatch } from '../transformer/sequences.js';
import { tokenInputs } from '../objective/objective-graph.js';
import { floatTensor, idTensor, type Feeds } from '../session.js';
import type { Means } from './means.js';
import { lossTokens, scaleExamples, type PreparedExample, type ScaledExample } from './prepare.js';
import { teacherFeeds, type Teaching } from './teacher.js';
import { addTokens, type TermLosses } from './token-metrics.js';
import type { Workbench } from './workbench.js';

/** The examples of one optimizer step, whose gradient is computed in micro-batches. */
export class MiniBatch {
  private readonly scaled: readonly ScaledExample[];

  constructor(
    private readonly bench: Workbench,
    private readonly plan: TrainPlan,
    private readonly examples: readonly PreparedExample[],
    private readonly teaching: Teaching | undefined,
  ) {
    this.scaled = scaleExamples(plan.objective, examples).filter(({ contributes }) => contributes);
  }

  /** Leaves the gradient in the bench's sum and returns the losses. Reads the weights only. */
  async computeGradient(
    means: Means,
    compareSampling: boolean,
    signal: AbortSignal,
  ): Promise<Omit<StepReport, 'gradientNorm' | 'skipped'>> {
    const { model, policy, gradient } = this.bench;
    const { objective } = this.plan;
    const losses: TermLosses = { distillation: 0, policyGradient: 0, likelihood: 0 };
    // With an adapter the base is fed beside its factors, so that the gradient is theirs.
    const weights = policy.adapter
      ? { ...model.feeds(policy.base.flat), ...adapterFeeds(policy.adapter.factors) }
      : model.feeds(policy.student.flat);
    gradient.begin();
    const sequences = this.scaled.map(studentSequence);
    const batches = packSequences(sequences, model.microBatchTokens, model.trainedTogether);
    const plans = model.planTogether(batches.map(({ shape }) => shape));
    for (const [i, batch] of batches.entries()) {
      signal.throwIfAborted();
      const session = await model.programs.training({
        ...trainingOptions(this.plan),
        ...(plans[i] ?? model.planMemory(batch.shape)),
        embeddingGradient: model.embeddingGradient,
        ...(model.adapter && { adapter: model.adapter }),
      });
      const examples = batch.items.flatMap((item) => this.scaled[item] ?? []);
      const outputs = await session.run(
        { ...weights, ...batch.feeds, ...this.tokenFeeds(batch, examples), ...gradient.before },
        gradient.after,
      );
      gradient.addEmbedded(outputs, batch);
      addTokens({ objective, outputs, examples, compareSampling, losses, means });
      outputs.free();
    }
    const { distillation, policyGradient, likelihood } = objective;
    return {
      loss:
        (distillation?.weight ?? 0) * losses.distillation +
        (policyGradient?.weight ?? 0) * losses.policyGradient +
        (likelihood?.weight ?? 0) * losses.likelihood,
      distillationLoss: losses.distillation,
      policyGradientLoss: losses.policyGradient,
      likelihoodLoss: losses.likelihood,
      examples: this.examples.length,
      lossTokens: this.examples.reduce((sum, prepared) => sum + lossTokens(objective, prepared), 0),
    };
  }

  /** What the objective reads per completion token, in the order of the batch. */
  private tokenFeeds({ completionIds }: SequenceBatch, examples: readonly ScaledExample[]): Feeds {
    const { distillation, policyGradient, likelihood } = this.plan.objective;
    const tokens = completionIds.length;
    const column = (value: (scaled: ScaledExample, t: number) => number) =>
      floatTensor(
        Float32Array.from(
          examples.flatMap((scaled) => scaled.example.completionIds.map((_, t) => value(scaled, t))),
        ),
        [tokens, 1],
      );
    const factor = ({ tokenScale, rolloutWeights }: ScaledExample, t: number) =>
      tokenScale * (rolloutWeights[t] ?? 1);
    const needsOld = policyGradient !== undefined || distillation?.importanceCap !== undefined;
    return {
      [tokenInputs.sampledIds]: idTensor(completionIds, [tokens, 1]),
      ...(needsOld && { [tokenInputs.oldLogprobs]: column(({ oldLogprobs }, t) => oldLogprobs[t] ?? 0) }),
      ...(distillation && {
        [tokenInputs.distillationScales]: column((scaled, t) =>
          scaled.taught ? distillation.weight * scaled.example.distillationWeight * factor(scaled, t) : 0,
        ),
      }),
      ...(policyGradient && {
        [tokenInputs.advantages]: column(({ example }) => example.advantage),
        [tokenInputs.policyGradientScales]: column(
          (scaled, t) => policyGradient.weight * scaled.example.policyGradientWeight * factor(scaled, t),
        ),
      }),
      ...(likelihood && {
        [tokenInputs.likelihoodScales]: column(
          (scaled, t) => likelihood.weight * scaled.example.likelihoodWeight * factor(scaled, t),
        ),
      }),
      ...(this.teaching &&
        teacherFeeds(
          this.bench.model,
          this.teaching,
          examples.map(({ example }) => example),
        )),
    };
  }
}

/** What of a plan is built into the training graph; weights and aggregation arrive as scales. */
function trainingOptions({ objective, teacher }: TrainPlan) {
  const { distillation, policyGradient, likelihood, temperature } = objective;
  return {
    objective: {
      temperature,
      ...(distillation && { distillation: { ...distillation, weight: 1 } }),
      ...(policyGradient && { policyGradient: { ...policyGradient, weight: 1 } }),
      ...(likelihood && { likelihood: { weight: 1 } }),
    },
    ...(distillation && teacher.kind === 'trust-region' && { trustRegionRate: teacher.rate }),
  };
}

function studentSequence({ example }: ScaledExample) {
  return { promptIds: example.studentPromptIds, completionIds: example.completionIds };
}
