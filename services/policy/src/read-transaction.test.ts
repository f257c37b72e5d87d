import { describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import { caughtViolations } from './caught-failure.js';
import { readTransaction } from './read-transaction.js';
import { scriptedCard } from './scripted-engine.js';
import {
  commitMessage as commit,
  exampleForEngine,
  exampleMessage as next,
  plan,
  planMessage as first,
  streamOf,
} from './scripted-transaction.js';

const closed = () => Promise.resolve();
const read = (...messages: object[]) => readTransaction(streamOf(...messages), scriptedCard, 20, closed);

describe('readTransaction', () => {
  it('reads the plan and the examples, with weight 1 where none is set', async () => {
    const change = { advantage: -1, distillationWeight: 0.5, completionLogprobs: [-1, -2], rolloutId: 'r' };
    const transaction = await read(first({ miniBatches: 2, runId: 'run', step: 3 }), next(), next(change));
    expect(transaction).toMatchObject({
      runId: 'run',
      step: 3,
      plan: { expectedVersion: 5, miniBatches: 2 },
    });
    expect(transaction.examples).toEqual([exampleForEngine, { ...exampleForEngine, ...change }]);
  });

  it.each<[string, boolean, object[]]>([
    ['needs no word of a caller who committed', true, [first({ commits: true }), next(), commit]],
    ['needs none of one who committed without announcing it', true, [first(), next(), commit]],
    ['waits for the word of a caller who cannot commit', false, [first(), next()]],
    ['waits for the word of a caller who has not committed yet', false, [first({ commits: true }), next()]],
  ])('%s', async (_, taken, messages) => {
    const cancelled = () => Promise.reject(new Error('cancelled'));
    const reading = readTransaction(streamOf(...messages), scriptedCard, 20, cancelled);
    if (taken) expect((await reading).examples).toHaveLength(1);
    else await expect(reading).rejects.toThrow('cancelled');
  });

  it('reads no further once there are sixteen violations', async () => {
    let sent = 0;
    async function* endless(): AsyncGenerator<proto.TrainStepRequest> {
      yield proto.TrainStepRequest.fromPartial(first());
      for (; ; sent++)
        yield await Promise.resolve(proto.TrainStepRequest.fromPartial(next({ completionIds: [100] })));
    }
    expect(await caughtViolations(() => readTransaction(endless(), scriptedCard, 1000, closed))).toHaveLength(
      16,
    );
    expect(sent).toBe(15);
  });

  it('names the example and the field, with both lengths of what does not fit', async () => {
    const long = Array<number>(15).fill(1);
    const examples = [
      next(),
      next({ studentPromptIds: [], completionIds: [9], rolloutId: 'r7' }),
      next({ teacherPromptIds: long, completionLogprobs: [-1] }),
      next({
        completionIds: [5, 100],
        completionLogprobs: [0.5, -1],
        advantage: Infinity,
        likelihoodWeight: -1,
      }),
    ];
    expect(await caughtViolations(() => read(first(), ...examples))).toEqual([
      'examples[1].student_prompt_ids: must hold at least one token id, is empty (rollout r7)',
      'examples[2].teacher_prompt_ids: a prompt of 15 and a completion of 2 tokens make 17; the context window holds 16',
      'examples[2].completion_logprobs: must be one per completion token, are 1 for 2 tokens',
      'examples[3].completion_ids: id 100 at position 1 is not in [0, 100)',
      'examples[3].completion_logprobs: must be at most 0 and finite, is 0.5 at position 0',
      'examples[3].advantage: must be a number that is finite, is Infinity',
      'examples[3].likelihood_weight: must be a number at least 0, is -1',
    ]);
  });

  it.each<[object, string]>([
    [{ policyGradient: { weight: 1, clipLow: 0.2, clipHigh: 0.2 } }, 'objective.policy_gradient'],
    [
      { distillation: { ...plan.objective.distillation, importanceCap: 2 } },
      'objective.distillation.importance_cap',
    ],
    [{ ...plan.objective, rolloutImportanceCap: 2 }, 'objective.rollout_importance_cap'],
  ])('asks for logprobs where %j reads them', async (change, why) => {
    expect(await caughtViolations(() => read(first({ objective: change }), next()))).toEqual([
      `examples[0].completion_logprobs: must be one per completion token, are 0 for 2 tokens; plan.${why} needs them`,
    ]);
  });

  it.each<[string, object[], string]>([
    ['an empty stream', [], 'plan: must be sent, the stream was empty'],
    ['an example before the plan', [next(), first()], 'plan: must be the first message'],
    ['a second plan', [first(), next(), first()], 'plan: must be the first message alone, is message 3 too'],
    [
      'a stream that ends before its commit',
      [first({ commits: true }), next()],
      'commit: must be the last message, was not sent; the stream ended after 1 examples',
    ],
    [
      'a stream that ends before the examples and the commit',
      [first({ commits: true, miniBatches: 2 }), next()],
      'commit: must be the last message, was not sent; the stream ended after 1 examples',
    ],
    [
      'an example after the commit',
      [first({ commits: true }), next(), commit, next()],
      'commit: must be the last message, is followed by message 4',
    ],
    ['a commit before the plan', [commit], 'plan: must be the first message'],
    ['an empty message', [first(), {}], 'payload: must be set, is not in message 2'],
    ['no example', [first()], 'plan.mini_batches: must be at most the number of examples 0, is 1'],
    [
      'more steps than examples',
      [first({ miniBatches: 3 }), next(), next()],
      'plan.mini_batches: must be at most the number of examples 2, is 3',
    ],
    [
      'too many examples',
      [first(), ...Array.from({ length: 21 }, () => next())],
      'examples: must be at most 20, are more',
    ],
  ])('refuses %s', async (_, messages, violation) => {
    expect(await caughtViolations(() => read(...messages))).toEqual([violation]);
  });
});
