import {
  llamaArchitecture,
  drawUniform,
  modelTensors,
  totalElements,
  type ModelConfig,
} from '@backsight/engine';

/** The shape of SmolLM2-135M, which needs no stop id here: every completion has its full length. */
export const benchModel: ModelConfig = {
  modelType: 'llama',
  hiddenSize: 576,
  intermediateSize: 1536,
  layers: 30,
  heads: 9,
  keyValueHeads: 3,
  headDim: 64,
  vocabularySize: 49_152,
  rmsNormEpsilon: 1e-5,
  rope: { theta: 100_000 },
  tiedEmbeddings: true,
  contextWindow: 8192,
  architecture: llamaArchitecture,
  stopIds: [],
};

/** What is timed. */
export type WorkloadName = 'generate' | 'score' | 'train';
export const workloadNames: readonly WorkloadName[] = ['generate', 'score', 'train'];

/** How large the workloads are. */
export interface WorkloadSize {
  readonly groups: number;
  readonly groupSize: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export const workloadSizes = {
  full: { groups: 4, groupSize: 8, promptTokens: 256, completionTokens: 128 },
  /** One of the four groups. */
  quick: { groups: 1, groupSize: 8, promptTokens: 256, completionTokens: 128 },
} as const satisfies Record<string, WorkloadSize>;

/** The token ids that both sides work on. */
export interface Workload {
  /** One per group. Shape [groups, P]. */
  readonly prompts: readonly (readonly number[])[];
  readonly groupSize: number;
  readonly completionTokens: number;
  /** One per completion. Shapes [B, P], [B, 2 P], [B, T]. */
  readonly studentPrompts: readonly (readonly number[])[];
  readonly teacherPrompts: readonly (readonly number[])[];
  readonly completions: readonly (readonly number[])[];
  /** Logprobs under the weights that sampled. Shape [B, T]. */
  readonly oldLogprobs: readonly (readonly number[])[];
  readonly topK: number;
  /** Sequences that PyTorch takes together. */
  readonly microBatch: number;
}

/** Groups of completions of random tokens; each completion has a teacher prompt of its own, twice as long as the student's. */
export function makeWorkload(size: WorkloadSize): Workload {
  const { groups, groupSize, promptTokens, completionTokens } = size;
  const row = (kind: number, index: number, length: number) =>
    Array.from({ length }, (_, i) => Math.floor(drawUniform(kind, index, i, 0) * benchModel.vocabularySize));
  const prompts = Array.from({ length: groups }, (_, i) => row(1, i, promptTokens));
  const rows = [...Array(groups * groupSize).keys()];
  const studentPrompts = rows.map((i) => prompts[Math.floor(i / groupSize)] ?? []);
  return {
    prompts,
    groupSize,
    completionTokens,
    studentPrompts,
    teacherPrompts: rows.map((i) => row(2, i, 2 * promptTokens)),
    completions: rows.map((i) => row(3, i, completionTokens)),
    oldLogprobs: rows.map(() =>
      Array.from({ length: completionTokens }, () => -Math.log(benchModel.vocabularySize)),
    ),
    topK: 20,
    microBatch: Math.min(8, rows.length),
  };
}

/** Tokens that a workload is counted in: those written, those read to score, those of student and teacher to train. */
export function tokensOf(name: WorkloadName, workload: Workload): number {
  const { completions, completionTokens, studentPrompts, teacherPrompts } = workload;
  const all = (prompts: readonly (readonly number[])[]) =>
    prompts.reduce((sum, prompt) => sum + prompt.length + completionTokens, 0);
  switch (name) {
    case 'generate':
      return completions.length * completionTokens;
    case 'score':
      return all(studentPrompts);
    case 'train':
      return all(studentPrompts) + all(teacherPrompts);
  }
}

/**
 * Floating-point operations of the matrix products with weights, one sequence at a time and nothing shared: 2 per weight
 * and token forward, 6 forward and backward. Attention, which is a few percent here, is left out.
 */
export function weightFlops(name: WorkloadName, workload: Workload): number {
  const { hiddenSize, vocabularySize } = benchModel;
  const head = hiddenSize * vocabularySize;
  const layers = totalElements(modelTensors(benchModel)) - head;
  const written = workload.completions.length * workload.completionTokens;
  const read = tokensOf('score', workload);
  switch (name) {
    case 'generate':
    case 'score':
      return 2 * (read * layers + written * head);
    case 'train': {
      const teacher = tokensOf('train', workload) - read;
      return 6 * (read * layers + written * head) + 2 * (teacher * layers + written * head);
    }
  }
}
