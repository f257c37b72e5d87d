/** TrainStep: a transaction, taken once from the version it names or not at all. */
import { ObjectiveKind, type TrainPlan, type TrainStepRequest } from '@backsight/contract/policy';
import { type Check, expectThat, NotOffered } from '../suite/check.js';
import { expectFailure, expectRefusals } from '../suite/expect-failure.js';
import { farthest, generate, logprobsOf } from './ask.js';
import { type PolicySubject } from './subject.js';
import {
  abandon,
  exampleOf,
  examplesOf,
  type Ground,
  groundOf,
  likelihood,
  messages,
  noTerms,
  optimizerOf,
  planOf,
  requireObjective,
  train,
} from './transaction.js';

export const trainChecks: readonly Check<PolicySubject>[] = [
  {
    name: 'train.version',
    promise: 'counts every optimizer step, and samples with the new weights under the new version',
    run: versions,
  },
  {
    name: 'train.compare-and-set',
    promise: 'aborts a step from another version, names its own, and changes nothing',
    run: compareAndSet,
  },
  {
    name: 'train.cancel',
    promise: 'keeps no trace of a stream that was cancelled before its end, and takes the next',
    run: cancelled,
  },
  {
    name: 'train.commit',
    promise: 'takes nothing of a stream that ends before the commit that its plan announced',
    run: commits,
  },
  {
    name: 'train.refusals',
    promise: 'refuses a transaction that can never be right, names the field, and changes nothing',
    run: refusals,
  },
];

async function versions(subject: PolicySubject): Promise<void> {
  requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  const ground = await groundOf(subject);
  const before = await logprobsOf(subject, ground.items);
  const plan = planOf({ expectedVersion: ground.version, miniBatches: 3, optimizer: optimizerOf(1e-4) });
  const report = await train(subject, plan, examplesOf(ground));
  for (const [index, { loss, gradientNorm, skipped, examples }] of report.steps.entries()) {
    expectThat(
      Number.isFinite(loss) && gradientNorm > 0 && !skipped,
      `step ${index} reports loss ${loss}, gradient norm ${gradientNorm}, skipped ${skipped}`,
    );
    expectThat(examples === 1, `step ${index} reports ${examples} of 3 examples over 3 mini-batches`);
  }
  const { version } = await subject.client.describe({}, { signal: subject.signal });
  expectThat(
    version === report.version,
    `Describe says version ${version} after the step to ${report.version}`,
  );
  const [completion] = await generate(subject);
  expectThat(
    completion?.policyVersion === version,
    `a completion is stamped with version ${completion?.policyVersion ?? 0} at version ${version}`,
  );
  const moved = farthest(await logprobsOf(subject, ground.items), before);
  expectThat(moved > 0, 'three optimizer steps leave every score as it was');
}

async function compareAndSet(subject: PolicySubject): Promise<void> {
  requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  const ground = await groundOf(subject);
  await expectUnchanged(subject, ground, 'a step from another version', async () => {
    for (const expectedVersion of [ground.version + 1, ground.version + 1000]) {
      const { reason, metadata } = await expectFailure(
        `a step from version ${expectedVersion} at version ${ground.version}`,
        'ABORTED',
        () => subject.client.trainStep(messages(planOf({ expectedVersion }), examplesOf(ground))),
      );
      expectThat(
        reason === 'POLICY_VERSION_MISMATCH' && metadata?.['current_version'] === String(ground.version),
        `the reason must be POLICY_VERSION_MISMATCH with current_version ${ground.version}, is ${reason ?? 'missing'} with ${JSON.stringify(metadata ?? {})}`,
      );
    }
  });
}

async function cancelled(subject: PolicySubject): Promise<void> {
  requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  const ground = await groundOf(subject);
  const plan = planOf({ expectedVersion: ground.version, optimizer: optimizerOf(1e-3) });
  await expectUnchanged(subject, ground, 'a cancelled stream', async () => {
    for (let round = 0; round < 3; round += 1) await abandon(subject, plan, examplesOf(ground));
  });
  await train(subject, plan, examplesOf(ground));
}

/**
 * To the policy, a caller that hangs up and is heard of late has closed its stream; so here the caller closes it, and what is
 * promised holds whatever the machine's load.
 */
async function commits(subject: PolicySubject): Promise<void> {
  requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  const { card, client, signal } = subject;
  if (card.training?.commits !== true)
    throw new NotOffered('Describe does not say that TrainStep takes a commit');
  const ground = await groundOf(subject);
  const examples = examplesOf(ground);
  const [first] = examples;
  if (first === undefined) return;
  const plan = planOf({ expectedVersion: ground.version, commits: true });
  const commit: TrainStepRequest = { payload: { $case: 'commit', value: {} } };
  const sending = (what: string, ...last: readonly TrainStepRequest[]) => ({
    what,
    field: 'commit',
    call: () => client.trainStep(followedBy(messages(plan, examples), last), { signal }),
  });
  await expectUnchanged(subject, ground, 'a stream without its commit', () =>
    expectRefusals([
      sending('a stream that ends before its commit'),
      sending('an example after the commit', commit, { payload: { $case: 'example', value: first } }),
      sending('a second commit', commit, commit),
    ]),
  );
  const { version } = await client.trainStep(followedBy(messages(plan, examples), [commit]), { signal });
  expectThat(
    version === ground.version + 1,
    `the report of a committed step from version ${ground.version} says version ${version}`,
  );
}

async function* followedBy<T>(first: AsyncIterable<T>, last: readonly T[]): AsyncGenerator<T, void, void> {
  yield* first;
  yield* last;
}

async function refusals(subject: PolicySubject): Promise<void> {
  requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  const ground = await groundOf(subject);
  const { client, card, signal } = subject;
  const { version } = ground;
  const examples = examplesOf(ground);
  const [first] = examples;
  if (first === undefined) return;
  const sending = (what: string, field: string, requests: AsyncIterable<TrainStepRequest>) => ({
    what,
    field,
    call: () => client.trainStep(requests, { signal }),
  });
  const planned = (what: string, field: string, changes: Partial<TrainPlan>) =>
    sending(what, field, messages(planOf({ expectedVersion: version, ...changes }), examples));
  const given = (what: string, field: string, changes: Partial<typeof first>) =>
    sending(what, field, messages(planOf({ expectedVersion: version }), [first, { ...first, ...changes }]));
  async function* exampleFirst(): AsyncGenerator<TrainStepRequest, void, void> {
    yield await Promise.resolve({
      payload: { $case: 'example' as const, value: examples[0] ?? exampleOf(emptyItem, []) },
    });
  }
  await expectUnchanged(subject, ground, 'a refused transaction', () =>
    expectRefusals([
      sending('an example before the plan', 'plan', exampleFirst()),
      planned('a plan without an objective', 'objective', { objective: undefined }),
      planned('an objective without a term', 'objective', { objective: noTerms }),
      planned('a likelihood of weight -1', 'weight', { objective: likelihood(-1) }),
      planned('a plan without an optimizer', 'optimizer', { optimizer: undefined }),
      planned('a learning rate of -1', 'learning_rate', { optimizer: optimizerOf(-1) }),
      planned('no mini-batches', 'mini_batches', { miniBatches: 0 }),
      planned('more mini-batches than examples', 'mini_batches', { miniBatches: examples.length + 1 }),
      sending('no examples', 'mini_batches', messages(planOf({ expectedVersion: version }), [])),
      given('an empty completion', 'examples[1].completion_ids', {
        completionIds: [],
        completionLogprobs: [],
      }),
      given('an id outside the vocabulary', 'examples[1].student_prompt_ids', {
        studentPromptIds: [card.vocabularySize],
      }),
      given('a logprob too few', 'examples[1].completion_logprobs', {
        completionLogprobs: first.completionLogprobs.slice(1),
        completionIds: [...first.completionIds, 0],
      }),
      given('an advantage that is no number', 'examples[1].advantage', { advantage: NaN }),
      given('a weight of -1', 'examples[1].likelihood_weight', { likelihoodWeight: -1 }),
    ]),
  );
}

const emptyItem = { promptIds: [], completionIds: [] };

async function expectUnchanged(
  subject: PolicySubject,
  { version, items }: Ground,
  what: string,
  attempt: () => Promise<void>,
): Promise<void> {
  const before = await logprobsOf(subject, items);
  await attempt();
  const now = await subject.client.describe({}, { signal: subject.signal });
  expectThat(now.version === version, `${what} takes the policy from version ${version} to ${now.version}`);
  const apart = farthest(await logprobsOf(subject, items), before);
  expectThat(apart === 0, `${what} moves scores by ${apart.toExponential(1)}`);
}
