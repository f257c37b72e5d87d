/** Training transactions as the suite sends them: taken, given up, or refused. */
import type {
  Example,
  ObjectiveKind,
  TrainPlan,
  TrainStepRequest,
  TrainStepResponse,
} from '@backsight/contract/policy';
import { readFailure } from '@backsight/rpc';
import { setTimeout as delay } from 'node:timers/promises';
import { expectThat, Nonconformity, NotOffered } from '../suite/check.js';
import { generate, type Item, itemsOf, promptsOf } from './ask.js';
import { type PolicySubject, requireTraining } from './subject.js';

/** What the suite changes of a plan; the rest is a step of plain likelihood, small enough to be downhill. */
export type PlanChanges = Partial<TrainPlan> & Pick<TrainPlan, 'expectedVersion'>;

export function planOf(changes: PlanChanges): TrainPlan {
  return {
    objective: likelihood(),
    teacher: undefined,
    optimizer: optimizerOf(1e-5),
    miniBatches: 1,
    shuffleSeed: 1,
    runId: 'conformance',
    step: 1,
    commits: false,
    ...changes,
  };
}

/** An objective without a term. */
export const noTerms = {
  distillation: undefined,
  policyGradient: undefined,
  likelihood: undefined,
  aggregation: 'AGGREGATION_TOKEN_MEAN',
  rolloutImportanceCap: undefined,
  temperature: undefined,
} as const;

/** Likelihood alone. */
export const likelihood = (weight = 1) => ({ ...noTerms, likelihood: { weight } });

export const optimizerOf = (learningRate: number) => ({
  learningRate,
  beta1: undefined,
  beta2: undefined,
  epsilon: undefined,
  weightDecay: undefined,
  maxGradientNorm: undefined,
});

/** An example of a completion, with changes; untaught unless they say otherwise. */
export function exampleOf(
  { promptIds, completionIds }: Item,
  logprobs: readonly number[],
  changes: Partial<Example> = {},
): Example {
  return {
    studentPromptIds: [...promptIds],
    teacherPromptIds: [],
    completionIds: [...completionIds],
    completionLogprobs: [...logprobs],
    policyVersion: 0,
    advantage: 0,
    distillationWeight: undefined,
    policyGradientWeight: undefined,
    likelihoodWeight: undefined,
    rolloutId: '',
    ...changes,
  };
}

/** The policy as it was found, its version, and completions that it sampled. */
export interface Ground {
  readonly version: number;
  readonly items: readonly Item[];
  /** As sampled. Shape [B, T]. */
  readonly logprobs: readonly (readonly number[])[];
}

/** Its completions as examples. */
export const examplesOf = ({ items, logprobs }: Ground): readonly Example[] =>
  items.map((item, index) => exampleOf(item, logprobs[index] ?? [], { rolloutId: `r${index}` }));

/** Puts the policy back to where it was found and samples `maxTokens` after each prompt. */
export async function groundOf(subject: PolicySubject, maxTokens = 6): Promise<Ground> {
  requireTraining(subject);
  await subject.reset();
  const prompts = promptsOf(subject);
  const completions = await generate(subject, { sampling: { maxTokens, temperature: 1.2 } });
  const { version } = await subject.client.describe({}, { signal: subject.signal });
  return {
    version,
    items: itemsOf(prompts, completions),
    logprobs: completions.map(({ logprobs }) => logprobs),
  };
}

/** Throws `NotOffered` unless the card names the objective. */
export function requireObjective(subject: PolicySubject, kind: ObjectiveKind): void {
  requireTraining(subject);
  const { card } = subject;
  if (!(card.training?.objectives ?? []).includes(kind))
    throw new NotOffered(
      `Describe does not name ${kind.replace('OBJECTIVE_KIND_', '').toLowerCase().replace('_', ' ')}`,
    );
}

/** Sends a transaction and closes the stream; what the card offers must not be UNIMPLEMENTED. */
export async function train(
  { client, signal }: PolicySubject,
  plan: TrainPlan,
  examples: readonly Example[],
): Promise<TrainStepResponse> {
  const report = await client.trainStep(messages(plan, examples), { signal }).catch((error: unknown) => {
    const failure = readFailure(error);
    if (failure?.code !== 'UNIMPLEMENTED') throw error;
    throw new Nonconformity(
      `TrainStep answers UNIMPLEMENTED to a plan that Describe offers: ${failure.message}`,
    );
  });
  const steps = plan.miniBatches ?? 1;
  expectThat(
    report.version === plan.expectedVersion + steps,
    `after ${steps} mini-batches from version ${plan.expectedVersion} the report says version ${report.version}`,
  );
  expectThat(
    report.steps.length === steps,
    `the report has ${report.steps.length} steps for ${steps} mini-batches`,
  );
  return report;
}

/** The plan, then the examples. */
export async function* messages(
  plan: TrainPlan,
  examples: readonly Example[],
): AsyncGenerator<TrainStepRequest, void, void> {
  yield { payload: { $case: 'plan', value: plan } };
  for (const value of examples) yield { payload: { $case: 'example', value } };
  await Promise.resolve();
}

/** Sends the whole transaction but for its end, and its commit where the policy takes one, and hangs up. */
export async function abandon(
  { card, client, signal }: PolicySubject,
  plan: TrainPlan,
  examples: readonly Example[],
): Promise<void> {
  const commits = card.training?.commits ?? false;
  const caller = new AbortController();
  const either = AbortSignal.any([signal, caller.signal]);
  async function* unfinished(): AsyncGenerator<TrainStepRequest, void, void> {
    yield* messages({ ...plan, commits }, examples);
    await delay(100);
    caller.abort();
    await delay(1000);
  }
  await client.trainStep(unfinished(), { signal: either }).then(
    () => {
      throw new Nonconformity('TrainStep answers a stream that was never closed');
    },
    () => undefined,
  );
  signal.throwIfAborted();
}
