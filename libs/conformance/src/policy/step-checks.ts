/** TrainStep: what its optimizer steps do to the weights. */
import { ObjectiveKind, type TrainPlan } from '@backsight/contract/policy';
import { type Check, expectThat } from '../suite/check.js';
import { expectRefusals } from '../suite/expect-failure.js';
import { farthest, logprobsOf } from './ask.js';
import type { PolicySubject } from './subject.js';
import {
  exampleOf,
  examplesOf,
  type Ground,
  groundOf,
  likelihood,
  noTerms,
  optimizerOf,
  planOf,
  requireObjective,
  train,
} from './transaction.js';

export const stepChecks: readonly Check<PolicySubject>[] = [
  {
    name: 'train.repeatable',
    promise: 'makes the same of the same transaction from the same weights',
    run: repeatable,
  },
  {
    name: 'train.downhill',
    promise: 'moves the weights the way that lowers the loss: likelihood, and advantages of either sign',
    run: downhill,
  },
  {
    name: 'train.skip',
    promise: 'skips an optimizer step whose gradient is not finite, or refuses what would make one',
    run: skips,
  },
];

async function repeatable(subject: PolicySubject): Promise<void> {
  requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  const attempt = async () => {
    const ground = await groundOf(subject);
    const plan = planOf({ expectedVersion: ground.version, miniBatches: 2, optimizer: optimizerOf(1e-4) });
    const { steps } = await train(subject, plan, examplesOf(ground));
    return [...steps.flatMap(({ loss, gradientNorm }) => [loss, gradientNorm])];
  };
  const [first, again] = [await attempt(), await attempt()];
  const apart = farthest(
    first.map((value, index) => value / Math.max(1, Math.abs(again[index] ?? 1))),
    again.map((value) => value / Math.max(1, Math.abs(value))),
  );
  expectThat(
    apart <= subject.tolerance.loss,
    `the same transaction reports losses and norms [${first.join(', ')}] and then [${again.join(', ')}]`,
  );
}

async function downhill(subject: PolicySubject): Promise<void> {
  const gradient = { weight: 1, clipLow: 0.2, clipHigh: 0.2, dualClip: undefined };
  const ways = [
    ['likelihood', ObjectiveKind.LIKELIHOOD, likelihood(), 0, 1],
    ['a positive advantage', ObjectiveKind.POLICY_GRADIENT, { ...noTerms, policyGradient: gradient }, 1, 1],
    ['a negative advantage', ObjectiveKind.POLICY_GRADIENT, { ...noTerms, policyGradient: gradient }, -1, -1],
  ] as const;
  const offered = ways.filter(([, kind]) => subject.card.training?.objectives.includes(kind));
  if (offered.length === 0) requireObjective(subject, ObjectiveKind.LIKELIHOOD);
  for (const [what, , objective, advantage, sign] of offered) {
    const ground = await groundOf(subject);
    const before = await logprobsOf(subject, ground.items);
    const plan = planOf({ expectedVersion: ground.version, objective });
    // The ratio of new to old is 1 here, so nothing is clipped.
    const sampled = unflattened(before, ground);
    await train(
      subject,
      plan,
      ground.items.map((item, index) => exampleOf(item, sampled[index] ?? [], { advantage })),
    );
    const after = await logprobsOf(subject, ground.items);
    const change = sum(after) - sum(before);
    expectThat(
      change * sign > 0,
      `a step of ${what} changes the logprob of the completions by ${change.toExponential(2)}; it must ${sign > 0 ? 'rise' : 'fall'}`,
    );
  }
}

/** As float32, this advantage is infinite. */
const TOO_LARGE = 1e300;

async function skips(subject: PolicySubject): Promise<void> {
  requireObjective(subject, ObjectiveKind.POLICY_GRADIENT);
  const ground = await groundOf(subject);
  const objective = {
    ...noTerms,
    policyGradient: { weight: 1, clipLow: 0.2, clipHigh: 0.2, dualClip: undefined },
  };
  const plan = planOf({ expectedVersion: ground.version, objective, optimizer: optimizerOf(1e-3) });
  const examples = examplesOf(ground).map((example) => ({ ...example, advantage: TOO_LARGE }));
  const before = await logprobsOf(subject, ground.items);
  const refused = await refusedFor(subject, plan, examples, 'advantage');
  const { version } = await subject.client.describe({}, { signal: subject.signal });
  expectThat(
    version === ground.version + (refused ? 0 : 1),
    `after ${refused ? 'a refused' : 'a skipped'} step the version is ${version}, it was ${ground.version}`,
  );
  const apart = farthest(await logprobsOf(subject, ground.items), before);
  expectThat(apart === 0, `a gradient that is not finite moves scores by ${apart}`);
}

/** Whether a transaction is refused for that field; if it is taken, its one step must be skipped. */
async function refusedFor(
  subject: PolicySubject,
  plan: TrainPlan,
  examples: Parameters<typeof train>[2],
  field: string,
): Promise<boolean> {
  try {
    const [step] = (await train(subject, plan, examples)).steps;
    expectThat(
      step?.skipped === true,
      `an advantage of ${TOO_LARGE} gives gradient norm ${step?.gradientNorm ?? 0}, and the step is not marked skipped`,
    );
    return false;
  } catch (error) {
    await expectRefusals([
      { what: `an advantage of ${TOO_LARGE}`, field, call: () => Promise.reject(thrown(error)) },
    ]);
    return true;
  }
}

const thrown = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Flat logprobs, split as the completions are. */
function unflattened(flat: readonly number[], { items }: Ground): readonly (readonly number[])[] {
  let begin = 0;
  return items.map(({ completionIds }) => flat.slice(begin, (begin += completionIds.length)));
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
