/** A policy without a model: it answers from a script, counts versions, remembers what it was told, and fails on demand. */
import { randomUUID } from 'node:crypto';
import {
  type Checkpoint,
  type Completion,
  type DescribeResponse,
  type Example,
  FinishReason,
  type GenerateRequest,
  ObjectiveKind,
  type PolicyServiceImplementation,
  TeacherKind,
  type TrainPlan,
  type TrainStepRequest,
  type TrainStepResponse,
} from '@backsight/contract/policy';
import { aborted, invalidArgument, notFound, unavailable, unimplemented } from '@backsight/rpc';
import { type ByteTokenizer, byteTokenizer } from './byte-tokenizer.js';
import { faultQueue, type FaultQueue } from './faults.js';

/** What a scripted policy answers and knows. */
export interface Script {
  /** The text after a rendered prompt; `sample` is the index in its group, `version` that of the weights. */
  readonly answer: (prompt: string, sample: SampleContext) => string;
  /** Version at the start. Default 0. */
  readonly version?: number;
  /** Default: one token per byte. */
  readonly tokenizer?: ByteTokenizer;
  /** Overrides of the model card. */
  readonly card?: Partial<DescribeResponse>;
}

/** Which sample of which request an answer is for. */
export interface SampleContext {
  readonly promptIndex: number;
  readonly sampleIndex: number;
  readonly version: number;
  readonly seed: number;
}

/** A transaction that was taken. */
export interface TakenStep {
  readonly plan: TrainPlan;
  readonly examples: readonly Example[];
  /** Version after it. */
  readonly version: number;
}

/** The methods that can be told to fail. */
export type PolicyMethod = keyof PolicyServiceImplementation;

/** A policy for tests, with its memory open. */
export interface ScriptedPolicy {
  /** Serve it: `service(PolicyServiceDefinition, policy.implementation)`. */
  readonly implementation: PolicyServiceImplementation;
  readonly tokenizer: ByteTokenizer;
  /** The version of the weights; assign it to play a policy that moved on by itself. */
  version: number;
  /** What the weights are called: another name after every step and every restored checkpoint. */
  weightsId: string;
  /** Every transaction taken, in order. */
  readonly taken: readonly TakenStep[];
  /** Every Generate request, in order. */
  readonly generated: readonly GenerateRequest[];
  /** What goes wrong next. */
  readonly faults: FaultQueue<PolicyMethod>;
  /** Calls of a method so far, failed ones included. */
  calls(method: PolicyMethod): number;
}

/** Natural-log probability that every scripted token carries. */
const tokenLogprob = Math.log(0.5);

/** A policy that answers from the script. */
export function scriptedPolicy(script: Script): ScriptedPolicy {
  const tokenizer = script.tokenizer ?? byteTokenizer();
  const taken: TakenStep[] = [];
  const generated: GenerateRequest[] = [];
  const checkpoints = new Map<string, Checkpoint>();
  const faults = faultQueue<PolicyMethod>();
  const calls = new Map<PolicyMethod, number>();

  const begin = async (method: PolicyMethod, signal: AbortSignal): Promise<void> => {
    calls.set(method, (calls.get(method) ?? 0) + 1);
    await faults.before(method, signal);
  };
  const checkpointOf = (name: string): Checkpoint => {
    const found = checkpoints.get(name);
    if (found === undefined) throw notFound('checkpoint', name, 'ListCheckpoints lists what there is');
    return found;
  };
  const initial = { name: 'initial', version: script.version ?? 0, sizeBytes: 0, createdAtMs: 0 };
  checkpoints.set(initial.name, initial);

  const policy: ScriptedPolicy = {
    tokenizer,
    version: initial.version,
    weightsId: randomUUID(),
    taken,
    generated,
    faults,
    calls: (method) => calls.get(method) ?? 0,
    implementation: {
      async describe(_request, { signal }) {
        await begin('describe', signal);
        const { version, weightsId } = policy;
        return { ...modelCard(tokenizer), version, weightsId, ...script.card };
      },

      async *generate(request, { signal }) {
        await begin('generate', signal);
        generated.push(request);
        // Backwards, so that whoever relies on the order of completions learns that there is none.
        for (let promptIndex = request.prompts.length - 1; promptIndex >= 0; promptIndex--) {
          for (let sampleIndex = request.groupSize - 1; sampleIndex >= 0; sampleIndex--) {
            await faults.during('generate', signal);
            yield { completion: complete(request, promptIndex, sampleIndex) };
          }
        }
      },

      async score({ items }, { signal }) {
        await begin('score', signal);
        return {
          policyVersion: policy.version,
          scores: items.map(({ completionIds }) => ({
            logprobs: completionIds.map(() => tokenLogprob),
            entropies: completionIds.map(() => Math.log(2)),
          })),
        };
      },

      async trainStep(requests, { signal }) {
        await begin('trainStep', signal);
        const { plan, examples } = await readTransaction(requests);
        await faults.during('trainStep', signal);
        signal.throwIfAborted();
        if (plan.expectedVersion !== policy.version) {
          throw aborted('POLICY_VERSION_MISMATCH', {
            current_version: String(policy.version),
            expected_version: String(plan.expectedVersion),
          });
        }
        policy.version += plan.miniBatches ?? 1;
        policy.weightsId = randomUUID();
        taken.push({ plan, examples, version: policy.version });
        await faults.after('trainStep', signal);
        return reportOf(plan, examples, policy.version);
      },

      async saveCheckpoint({ name }, { signal }) {
        await begin('saveCheckpoint', signal);
        const checkpoint = { name, version: policy.version, sizeBytes: 1, createdAtMs: checkpoints.size };
        checkpoints.set(name, checkpoint);
        return { checkpoint };
      },

      async restoreCheckpoint({ name }, { signal }) {
        await begin('restoreCheckpoint', signal);
        const checkpoint = checkpointOf(name);
        policy.version = checkpoint.version;
        policy.weightsId = randomUUID();
        return { checkpoint };
      },

      async listCheckpoints(_request, { signal }) {
        await begin('listCheckpoints', signal);
        return { checkpoints: [...checkpoints.values()].reverse() };
      },

      async exportCheckpoint(_request, { signal }) {
        await begin('exportCheckpoint', signal);
        throw unimplemented('EXPORT', 'a scripted policy has no weights to export');
      },

      async *pullWeights(_request, { signal }) {
        await begin('pullWeights', signal);
        yield* [];
        throw unimplemented('PULL_WEIGHTS', 'a scripted policy has no weights to pull');
      },
    },
  };

  function complete(request: GenerateRequest, promptIndex: number, sampleIndex: number): Completion {
    const prompt = tokenizer.decode(request.prompts[promptIndex]?.tokenIds ?? []);
    const context = { promptIndex, sampleIndex, version: policy.version, seed: request.sampling?.seed ?? 0 };
    const whole = [...tokenizer.encode(script.answer(prompt, context)), tokenizer.stopId];
    const tokenIds = whole.slice(0, request.sampling?.maxTokens ?? whole.length);
    return {
      promptIndex,
      sampleIndex,
      tokenIds,
      logprobs: tokenIds.map(() => tokenLogprob),
      finishReason: tokenIds.length < whole.length ? FinishReason.LENGTH : FinishReason.STOP,
      policyVersion: policy.version,
    };
  }

  return policy;
}

async function readTransaction(
  requests: AsyncIterable<TrainStepRequest>,
): Promise<{ readonly plan: TrainPlan; readonly examples: readonly Example[] }> {
  let plan: TrainPlan | undefined;
  const examples: Example[] = [];
  let committed = false;
  for await (const { payload } of requests) {
    if (payload?.$case === 'plan' && plan === undefined) plan = payload.value;
    else if (payload?.$case === 'example' && plan !== undefined && !committed) examples.push(payload.value);
    else if (payload?.$case === 'commit' && plan !== undefined && !committed) committed = true;
    else
      throw invalidArgument([
        { field: 'payload', description: 'is out of turn: the plan first, then examples, then the commit' },
      ]);
  }
  if (plan === undefined) throw invalidArgument([{ field: 'plan', description: 'is missing' }]);
  if (plan.commits && !committed) throw invalidArgument([{ field: 'commit', description: 'is missing' }]);
  if (examples.length === 0) throw invalidArgument([{ field: 'example', description: 'needs at least one' }]);
  return { plan, examples };
}

function reportOf(plan: TrainPlan, examples: readonly Example[], version: number): TrainStepResponse {
  const steps = plan.miniBatches ?? 1;
  const tokens = examples.reduce((sum, { completionIds }) => sum + completionIds.length, 0);
  return {
    version,
    steps: Array.from({ length: steps }, () => ({
      loss: 0.5,
      distillationLoss: 0.5,
      policyGradientLoss: 0,
      likelihoodLoss: 0,
      gradientNorm: 1,
      skipped: false,
      examples: Math.ceil(examples.length / steps),
      lossTokens: Math.ceil(tokens / steps),
    })),
    metrics: { 'actor/entropy': Math.log(2) },
    durations: [{ phase: 'update', duration: { seconds: 0, nanos: 1_000_000 } }],
  };
}

function modelCard(tokenizer: ByteTokenizer): DescribeResponse {
  return {
    model: 'scripted',
    architecture: 'script',
    parameterCount: 0,
    vocabularySize: tokenizer.vocabularySize,
    contextWindow: 8192,
    stopIds: [tokenizer.stopId],
    tokenizerJson: tokenizer.tokenizerJson,
    chatTemplate: tokenizer.chatTemplate,
    tokenizerConfigJson: tokenizer.tokenizerConfigJson,
    training: {
      objectives: [ObjectiveKind.DISTILLATION, ObjectiveKind.POLICY_GRADIENT, ObjectiveKind.LIKELIHOOD],
      teachers: [TeacherKind.EMA, TeacherKind.FROZEN, TeacherKind.LIVE, TeacherKind.TRUST_REGION],
      maxSupport: 0,
      commits: true,
    },
    limits: { generationSlots: 64, maxExamples: 4096, microBatchTokens: 4096 },
    engine: { name: 'script', version: '1', device: 'none', threads: 1 },
    version: 0,
    weightsId: '',
  };
}

/** The failure of a room that went away for a moment. */
export const away = (): Error => unavailable('the scripted policy is away', 10);
