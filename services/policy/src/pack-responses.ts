/** Turns what the engine answers into messages. */
import * as proto from '@backsight/contract/policy';
import type {
  CheckpointInfo,
  Engine,
  ModelTexts,
  SampledCompletion,
  TrainingAbilities,
  TrainReport,
} from '@backsight/engine';

/** What Describe tells of an engine, its model's texts and the room's limits, and whether it trains. */
export function packDescription(
  engine: Engine,
  texts: ModelTexts,
  maxExamples: number,
  trains: boolean,
): Omit<proto.DescribeResponse, 'weightsId'> {
  const { card, info, version } = engine;
  return {
    ...card,
    stopIds: [...card.stopIds],
    tokenizerJson: texts.tokenizerJson,
    chatTemplate: texts.chatTemplate,
    tokenizerConfigJson: texts.tokenizerConfigJson,
    training: trains ? packAbilities(info.training) : nothing,
    limits: { generationSlots: info.generationSlots, maxExamples, microBatchTokens: info.microBatchTokens },
    engine: { name: info.name, version: info.version, device: info.device, threads: info.threads },
    version,
  };
}

const nothing: proto.TrainingCapabilities = { objectives: [], teachers: [], maxSupport: 0, commits: false };

function packAbilities({
  objectives,
  teachers,
  maxSupport = 0,
}: TrainingAbilities): proto.TrainingCapabilities {
  return {
    objectives: objectives.map((name) => objectiveKinds[name]),
    teachers: teachers.map((kind) => teacherKinds[kind]),
    maxSupport,
    commits: true,
  };
}

const objectiveKinds = {
  distillation: proto.ObjectiveKind.DISTILLATION,
  policyGradient: proto.ObjectiveKind.POLICY_GRADIENT,
  likelihood: proto.ObjectiveKind.LIKELIHOOD,
} as const;

const teacherKinds = {
  ema: proto.TeacherKind.EMA,
  frozen: proto.TeacherKind.FROZEN,
  live: proto.TeacherKind.LIVE,
  'trust-region': proto.TeacherKind.TRUST_REGION,
} as const;

export function packCompletion(completion: SampledCompletion): proto.Completion {
  const { tokenIds, logprobs, finishReason } = completion;
  return {
    ...completion,
    tokenIds: [...tokenIds],
    logprobs: [...logprobs],
    finishReason: finishReason === 'stop' ? proto.FinishReason.STOP : proto.FinishReason.LENGTH,
  };
}

export function packReport({ version, steps, metrics, seconds }: TrainReport): proto.TrainStepResponse {
  const durations = Object.entries(seconds).map(([phase, value]) => ({ phase, duration: duration(value) }));
  return { version, steps: [...steps], metrics: { ...metrics }, durations };
}

export function packCheckpoint({
  name,
  version,
  sizeBytes,
  createdAtMs,
  score,
}: CheckpointInfo): proto.Checkpoint {
  return { name, version, sizeBytes, createdAtMs, score };
}

function duration(seconds: number) {
  const whole = Math.floor(seconds);
  return { seconds: whole, nanos: Math.floor((seconds - whole) * 1e9) };
}
