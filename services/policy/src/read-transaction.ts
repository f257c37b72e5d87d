/** Reads the stream of a TrainStep: the plan, then the examples, then the commit. */
import type * as proto from '@backsight/contract/policy';
import type { ModelCard, TrainExample, TrainPlan } from '@backsight/engine';
import { invalidArgument, type Violation } from '@backsight/rpc';
import { unpackExample } from './unpack-example.js';
import { unpackPlan } from './unpack-plan.js';

/** A whole transaction, ready for the engine. */
export interface Transaction {
  readonly plan: TrainPlan;
  readonly examples: readonly TrainExample[];
  /** The coordinator's run and step, for logs. */
  readonly runId: string;
  readonly step: number;
}

/** Violations after which a stream is read no further. */
const enough = 16;

/**
 * Reads until the caller closes. Throws INVALID_ARGUMENT: at once for a plan that is wrong, so that no example is sent
 * in vain, and with all the examples' violations at the end or once there are enough of them.
 *
 * The end of a stream without a commit may be a caller's who gave up: `notGivenUp` waits for the word of that and throws, if it comes.
 */
export async function readTransaction(
  requests: AsyncIterable<proto.TrainStepRequest>,
  card: ModelCard,
  maxExamples: number,
  notGivenUp: () => Promise<void>,
): Promise<Transaction> {
  let message: proto.TrainPlan | undefined;
  let plan: TrainPlan | undefined;
  const examples: TrainExample[] = [];
  const violations: Violation[] = [];
  let committed = false;
  for await (const { payload } of requests) {
    if (plan === undefined) {
      if (payload?.$case !== 'plan') throw wrong('plan', 'must be the first message');
      message = payload.value;
      plan = unpackPlan(message, card);
      continue;
    }
    if (payload === undefined)
      throw wrong('payload', `must be set, is not in message ${examples.length + 2}`);
    if (payload.$case === 'plan')
      throw wrong('plan', `must be the first message alone, is message ${examples.length + 2} too`);
    if (committed)
      throw wrong('commit', `must be the last message, is followed by message ${examples.length + 3}`);
    if (payload.$case === 'commit') {
      committed = true;
      continue;
    }
    if (examples.length === maxExamples) throw wrong('examples', `must be at most ${maxExamples}, are more`);
    const field = `examples[${examples.length}]`;
    const { example, violations: found } = unpackExample(payload.value, field, plan.objective, card);
    examples.push(example);
    violations.push(...found);
    if (violations.length >= enough) throw invalidArgument(violations);
  }
  if (!committed) await notGivenUp();
  if (message === undefined || plan === undefined) throw wrong('plan', 'must be sent, the stream was empty');
  // However late the word comes, what was not committed is not taken.
  if (message.commits && !committed)
    throw wrong(
      'commit',
      `must be the last message, was not sent; the stream ended after ${examples.length} examples`,
    );
  if (violations.length > 0) throw invalidArgument(violations);
  if (examples.length < plan.miniBatches)
    throw wrong(
      'plan.mini_batches',
      `must be at most the number of examples ${examples.length}, is ${plan.miniBatches}`,
    );
  return { plan, examples, runId: message.runId, step: message.step };
}

function wrong(field: string, description: string): Error {
  return invalidArgument([{ field, description }]);
}
