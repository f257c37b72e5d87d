/** Score: logprobs and entropies of one distribution, whoever else is in the batch. */
import { type ScoreRequest, WeightSet } from '@backsight/contract/policy';
import { logSoftmax } from '@backsight/sdpo';
import { readFailure } from '@backsight/rpc';
import { type Check, expectThat, NotOffered } from '../suite/check.js';
import { expectRefusals } from '../suite/expect-failure.js';
import { farthest, type Item, logprobsOf, promptsOf, score } from './ask.js';
import { denseLogprobs } from './dense.js';
import type { PolicySubject } from './subject.js';

export const scoreChecks: readonly Check<PolicySubject>[] = [
  {
    name: 'score.distribution',
    promise:
      'gives every position a distribution: top-K in order, sums to 1, entropy and logprob of the same',
    run: distributions,
  },
  {
    name: 'score.temperature',
    promise: 'divides the logits by the temperature',
    run: temperatures,
  },
  {
    name: 'score.company',
    promise: 'scores an item the same alone and in company, and a prefix as the whole begins',
    run: company,
  },
  {
    name: 'score.teacher',
    promise: "scores under the teacher's weights",
    run: teacher,
  },
  {
    name: 'score.refusals',
    promise: 'refuses what can never be right, and names the field',
    run: (subject) => expectRefusals(mistakes(subject)),
  },
];

/** Six completions of two to five ids after the usual prompts, the same for every policy of that vocabulary. */
function itemsToScore(subject: PolicySubject): readonly Item[] {
  const prompts = promptsOf(subject);
  const ids = prompts.flat();
  return [...prompts, ...prompts].map((promptIds, index) => ({
    promptIds,
    completionIds: ids.slice(index, index + 2 + (index % 4)),
  }));
}

async function distributions(subject: PolicySubject): Promise<void> {
  const items = itemsToScore(subject).slice(0, 2);
  const { vocabularySize } = subject.card;
  const allowed = subject.tolerance.logprob;
  const scores = await score(subject, items, { topK: vocabularySize });
  for (const [index, { logprobs, entropies, topLogprobs, topIds }] of scores.entries()) {
    for (const [position, id] of (items[index]?.completionIds ?? []).entries()) {
      const where = `item ${index}, position ${position}`;
      const row = topLogprobs.slice(position * vocabularySize, (position + 1) * vocabularySize);
      const ids = topIds.slice(position * vocabularySize, (position + 1) * vocabularySize);
      expectThat(new Set(ids).size === ids.length, `${where}: top_ids holds an id twice`);
      const rise = row.findIndex((logprob, rank) => logprob > (row[rank - 1] ?? Infinity));
      expectThat(rise === -1, `${where}: top_logprobs rises at rank ${rise}; the most likely comes first`);
      const mass = row.reduce((sum, logprob) => sum + Math.exp(logprob), 0);
      expectThat(Math.abs(mass - 1) <= allowed, `${where}: all probabilities sum to ${mass}`);
      const own = row[ids.indexOf(id)] ?? NaN;
      const apart = farthest([logprobs[position] ?? NaN], [own]);
      expectThat(
        apart <= allowed,
        `${where}: logprob is ${logprobs[position] ?? NaN}, in top_logprobs ${own}`,
      );
      const entropy = -row.reduce(
        (sum, logprob) => sum + (logprob === -Infinity ? 0 : Math.exp(logprob) * logprob),
        0,
      );
      expectThat(
        Math.abs(entropy - (entropies[position] ?? NaN)) <= 10 * allowed,
        `${where}: entropy is ${entropies[position] ?? NaN}, that of the distribution ${entropy}`,
      );
    }
  }
  const few = await score(subject, items, { topK: 3 });
  const wanted = scores.map(({ topIds, logprobs }) =>
    logprobs.flatMap((_, position) => topIds.slice(position * vocabularySize, position * vocabularySize + 3)),
  );
  expectThat(
    few.every(({ topIds }, index) => topIds.join() === (wanted[index] ?? []).join()),
    'with top_k 3 other ids are given than the first three of all',
  );
}

async function temperatures(subject: PolicySubject): Promise<void> {
  const items = itemsToScore(subject).slice(0, 2);
  const dense = await denseLogprobs(subject, items);
  for (const temperature of [0.5, 2]) {
    const wanted = items.flatMap(({ completionIds }, index) =>
      completionIds.map(
        (id, position) =>
          logSoftmax((dense[index]?.[position] ?? []).map((logit) => logit / temperature))[id] ?? NaN,
      ),
    );
    const apart = farthest(await logprobsOf(subject, items, { temperature }), wanted);
    expectThat(
      apart <= subject.tolerance.logprob,
      `at temperature ${temperature} logprobs are up to ${apart.toExponential(1)} from those of the divided logits`,
    );
  }
}

async function company(subject: PolicySubject): Promise<void> {
  const items = itemsToScore(subject);
  const together = await score(subject, items);
  for (const [index, item] of items.entries()) {
    const alone = await logprobsOf(subject, [item]);
    const whole = together[index]?.logprobs ?? [];
    const apart = farthest(alone, whole);
    expectThat(
      apart <= subject.tolerance.logprob,
      `item ${index} is scored up to ${apart.toExponential(1)} otherwise alone than in company`,
    );
    const prefix = await logprobsOf(subject, [{ ...item, completionIds: item.completionIds.slice(0, 1) }]);
    const ahead = farthest(prefix, whole.slice(0, 1));
    expectThat(
      ahead <= subject.tolerance.logprob,
      `the first token of item ${index} is scored ${ahead.toExponential(1)} otherwise when others follow it`,
    );
  }
}

async function teacher(subject: PolicySubject): Promise<void> {
  const items = itemsToScore(subject);
  try {
    const scores = await score(subject, items, { weights: WeightSet.TEACHER, topK: 2 });
    const odd = scores.flatMap(({ logprobs }) => logprobs).find((logprob) => !(logprob <= 0));
    expectThat(odd === undefined, `the teacher gives a logprob of ${odd ?? 0}`);
  } catch (error) {
    const failure = readFailure(error);
    if (failure?.code === 'FAILED_PRECONDITION') throw new NotOffered(failure.message);
    throw error;
  }
}

function mistakes({ client, card, signal }: PolicySubject) {
  const right: ScoreRequest = {
    items: [{ promptIds: [0], completionIds: [0] }],
    weights: WeightSet.STUDENT,
    temperature: undefined,
    topK: 0,
  };
  const asking = (what: string, field: string, wrong: Partial<ScoreRequest>) => ({
    what,
    field,
    call: () => client.score({ ...right, ...wrong }, { signal }),
  });
  return [
    asking('a request without items', 'items', { items: [] }),
    asking('an empty prompt', 'prompt_ids', { items: [{ promptIds: [], completionIds: [0] }] }),
    asking('an empty completion', 'completion_ids', { items: [{ promptIds: [0], completionIds: [] }] }),
    asking('an id outside the vocabulary', 'completion_ids', {
      items: [{ promptIds: [0], completionIds: [card.vocabularySize] }],
    }),
    asking('an item longer than the context window', 'items[0]', {
      items: [{ promptIds: Array.from({ length: card.contextWindow }, () => 0), completionIds: [0] }],
    }),
    asking('a temperature of 0', 'temperature', { temperature: 0 }),
    asking('a top_k above the vocabulary', 'top_k', { topK: card.vocabularySize + 1 }),
  ];
}
