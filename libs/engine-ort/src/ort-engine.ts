import './no-telemetry.js';
import {
  EngineInputError,
  tableDifference,
  UnsupportedError,
  VersionMismatchError,
  type Adapter,
  type CheckpointInfo,
  type CheckpointStore,
  type CompletionScore,
  type Engine,
  type EngineInfo,
  type ExportLayout,
  type FieldViolation,
  type GenerateRequest,
  type LoadedModel,
  type ModelCard,
  type SampledCompletion,
  type ScoreRequest,
  type TrainExample,
  type TrainPlan,
  type TrainReport,
  type VersionedWeights,
} from '@backsight/engine';
import { numberProblems } from '@backsight/sdpo';
import { env } from 'onnxruntime-node';
import { Checkpoints } from './checkpoints.js';
import type { OrtEngineOptions } from './engine-options.js';
import { Generator } from './generation/generator.js';
import { Model } from './transformer/model.js';
import { sequenceViolation } from './transformer/sequences.js';
import { GradientSum } from './training/gradient.js';
import { PolicyWeights } from './training/policy-weights.js';
import { trainTransaction } from './training/transaction.js';
import { WeightsGate } from './weights-gate.js';

/** An engine over ONNX Runtime on the CPU. Calls overlap freely: readers of the weights share, writers wait their turn. */
export class OrtEngine implements Engine {
  readonly card: ModelCard;
  readonly info: EngineInfo;
  private readonly model: Model;
  private readonly policy: PolicyWeights;
  private readonly gate = new WeightsGate();
  private readonly generator: Generator;
  private readonly checkpoints: Checkpoints;
  private gradient: GradientSum | undefined;
  private closing = false;

  constructor(
    loaded: LoadedModel,
    store: CheckpointStore,
    private readonly options: Omit<OrtEngineOptions, 'modelFolder' | 'checkpointFolder'>,
    adapter?: Adapter,
  ) {
    const { config, weights } = loaded;
    const { threads, generationSlots, microBatchTokens, executionProvider = 'cpu' } = options;
    this.card = {
      model: loaded.name,
      architecture: config.modelType,
      parameterCount: weights.flat.length,
      vocabularySize: config.vocabularySize,
      contextWindow: config.contextWindow,
      stopIds: config.stopIds,
    };
    this.info = {
      name: 'onnxruntime',
      version: env.versions.node ?? env.versions.common,
      device: executionProvider,
      threads,
      generationSlots,
      microBatchTokens,
      training: {
        objectives: ['distillation', 'policyGradient', 'likelihood'],
        teachers: ['ema', 'frozen', 'live', 'trust-region'],
      },
    };
    this.model = new Model(
      config,
      microBatchTokens,
      threads,
      undefined,
      undefined,
      executionProvider,
      adapter?.settings,
      options.profileFolder,
    );
    this.policy = new PolicyWeights(weights, adapter && { config, adapter });
    this.generator = new Generator(this.model, this.policy, this.gate, generationSlots);
    this.checkpoints = new Checkpoints(store, loaded, this.policy, options.retention);
  }

  get version(): number {
    return this.policy.version;
  }

  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<SampledCompletion> {
    this.requireOpen();
    return this.generator.generate(request, signal);
  }

  async score(request: ScoreRequest, signal: AbortSignal): Promise<readonly CompletionScore[]> {
    this.requireOpen();
    const violations = scoreViolations(request, this.card);
    if (violations.length > 0) throw new EngineInputError(violations);
    return this.gate.read(async () => {
      const weights = request.weights === 'student' ? this.policy.student : this.policy.teacher;
      return this.model.score(weights.flat, request.items, request, signal);
    });
  }

  async trainStep(
    plan: TrainPlan,
    examples: readonly TrainExample[],
    signal: AbortSignal,
  ): Promise<TrainReport> {
    this.requireOpen();
    return this.gate.write(async () => {
      signal.throwIfAborted();
      const { model, policy } = this;
      if (plan.expectedVersion !== policy.version)
        throw new VersionMismatchError(plan.expectedVersion, policy.version);
      this.gradient ??= new GradientSum(model, policy.trained.flat.length);
      const report = await trainTransaction(
        { model, policy, gradient: this.gradient },
        plan,
        examples,
        signal,
      );
      const skipped = report.steps.filter((step) => step.skipped).length;
      if (skipped > 0)
        this.options.logger?.warn(
          { version: report.version, skipped },
          'a gradient was not finite: the weights stayed',
        );
      return report;
    });
  }

  async saveCheckpoint(name: string, score?: number): Promise<CheckpointInfo> {
    this.requireOpen();
    return this.gate.read(() => this.checkpoints.save(name, score));
  }

  async restoreCheckpoint(name: string): Promise<CheckpointInfo> {
    this.requireOpen();
    return this.gate.write(() => this.checkpoints.restore(name));
  }

  async listCheckpoints(): Promise<readonly CheckpointInfo[]> {
    return this.checkpoints.list();
  }

  async exportCheckpoint(name: string, layout: ExportLayout = 'hugging-face'): Promise<string> {
    this.requireOpen();
    return this.gate.read(() => this.checkpoints.export(name, layout));
  }

  async readWeights(): Promise<VersionedWeights> {
    this.requireOpen();
    return this.gate.read(() => {
      const { version, student } = this.policy;
      return Promise.resolve({ version, weights: student.clone() });
    });
  }

  async replaceWeights({ version, weights }: VersionedWeights): Promise<void> {
    this.requireOpen();
    if (this.policy.adapter !== undefined)
      throw new UnsupportedError(
        'ADAPTER_REPLACED',
        'Weights cannot take the place of an adapter and its base.',
      );
    const difference = tableDifference(this.policy.student.table, weights.table);
    if (difference !== undefined) throw new EngineInputError([{ field: 'weights', description: difference }]);
    await this.gate.write(() => {
      const fresh = { factors: undefined, teacher: undefined, optimizer: undefined };
      this.policy.restore({ version, student: weights, ...fresh });
      return Promise.resolve();
    });
  }

  /** Fails running generations, waits for everything else, and frees the sessions. */
  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    await this.generator.close(closed());
    await this.gate.write(() => this.model.programs.release());
  }

  private requireOpen(): void {
    if (this.closing) throw closed();
  }
}

function closed(): Error {
  return new Error('The engine is closed.');
}

function scoreViolations(
  { items, temperature, topK }: ScoreRequest,
  card: ModelCard,
): readonly FieldViolation[] {
  const numbers = [
    ...numberProblems('temperature', temperature, { above: 0 }),
    ...numberProblems('top_k', topK, { atLeast: 0, atMost: card.vocabularySize, whole: true }),
  ].map(({ field, problem }) => ({ field, description: problem }));
  const sequences = items.flatMap((item, i) => {
    const description = sequenceViolation(item, card);
    return description === undefined ? [] : [{ field: `items[${i}]`, description }];
  });
  return [...numbers, ...sequences];
}
