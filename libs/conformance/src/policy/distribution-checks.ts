/** What is drawn is drawn from what Score says, and every logprob is that of the distribution it was drawn from. */
import type { Completion } from '@backsight/contract/policy';
import { logSoftmax } from '@backsight/sdpo';
import { type Check, expectThat } from '../suite/check.js';
import { farthest, generate, itemsOf, promptsOf, score } from './ask.js';
import { denseLogprobs } from './dense.js';
import type { PolicySubject } from './subject.js';

export const distributionChecks: readonly Check<PolicySubject>[] = [
  {
    name: 'generate.logprobs',
    promise: 'samples with the logprobs that Score computes, at any temperature',
    run: async (subject) => {
      for (const temperature of [1, 0.6, 1.7]) await sameAsScored(subject, temperature);
    },
  },
  {
    name: 'generate.top-p',
    promise: 'keeps the smallest set of tokens that reaches top_p, with the logprobs of what is kept',
    run: nucleus,
  },
  {
    name: 'generate.frequencies',
    promise: 'draws tokens as often as their probabilities say',
    run: frequencies,
  },
];

async function sameAsScored(subject: PolicySubject, temperature: number): Promise<void> {
  const completions = await generate(subject, { groupSize: 4, sampling: { temperature } });
  const scores = await score(subject, itemsOf(promptsOf(subject), completions), { temperature });
  for (const [index, { promptIndex, sampleIndex, logprobs }] of completions.entries()) {
    const apart = farthest(logprobs, scores[index]?.logprobs ?? []);
    expectThat(
      apart <= subject.tolerance.logprob,
      `at temperature ${temperature}, sample ${sampleIndex} of prompt ${promptIndex} was drawn with logprobs up to ${apart.toExponential(1)} from Score's, allowed ${subject.tolerance.logprob}`,
    );
  }
}

async function nucleus(subject: PolicySubject): Promise<void> {
  const [topP, temperature] = [0.6, 1.5];
  const prompts = promptsOf(subject);
  const completions = await generate(subject, {
    groupSize: 16,
    sampling: { maxTokens: 1, topP, temperature },
  });
  const scored = await denseLogprobs(subject, itemsOf(prompts, completions));
  for (const [index, completion] of completions.entries()) {
    const { kept, logprob } = nucleusOf(scored[index]?.[0] ?? [], topP, temperature, completion);
    expectThat(
      kept,
      `with top_p ${topP}, prompt ${completion.promptIndex} is continued by id ${completion.tokenIds[0] ?? 0}, which is not in the smallest set that reaches it`,
    );
    const apart = farthest(completion.logprobs, [logprob]);
    expectThat(
      apart <= subject.tolerance.logprob,
      `with top_p ${topP}, a token was drawn with logprob ${completion.logprobs[0] ?? NaN}; among those kept it has ${logprob}`,
    );
  }
}

/** Whether the first token is in the nucleus, and its logprob there. */
function nucleusOf(
  logits: readonly number[],
  topP: number,
  temperature: number,
  { tokenIds: [id = 0] }: Completion,
): { readonly kept: boolean; readonly logprob: number } {
  const logprobs = logSoftmax(logits.map((logit) => logit / temperature));
  const own = logprobs[id] ?? -Infinity;
  const likelier = logprobs.filter((other) => other > own).reduce((sum, other) => sum + Math.exp(other), 0);
  let mass = 0;
  for (const logprob of [...logprobs].sort((left, right) => right - left)) {
    if (mass >= topP) break;
    mass += Math.exp(logprob);
  }
  // Rounding may tip what stands on the edge.
  return { kept: likelier < topP + 1e-4, logprob: own - Math.log(mass) };
}

/** Five standard deviations of a binomial share: of twenty tokens, one in 100,000 policies would fail by chance. */
async function frequencies(subject: PolicySubject): Promise<void> {
  const samples = 512;
  const temperature = 1.5;
  const [, prompt = []] = promptsOf(subject);
  const sampling = { maxTokens: 1, temperature, seed: 3 };
  const drawn = await generate(subject, { prompts: [prompt], groupSize: samples, sampling });
  const [dense = []] = await denseLogprobs(subject, [{ promptIds: prompt, completionIds: [0] }]);
  const logprobs = logSoftmax((dense[0] ?? []).map((logit) => logit / temperature));
  const likeliest = [...logprobs.keys()].sort((a, b) => (logprobs[b] ?? 0) - (logprobs[a] ?? 0)).slice(0, 20);
  for (const id of likeliest) {
    const probability = Math.exp(logprobs[id] ?? -Infinity);
    const found = drawn.filter(({ tokenIds }) => tokenIds[0] === id).length / samples;
    const allowed = 5 * Math.sqrt((probability * (1 - probability)) / samples) + 1 / samples;
    expectThat(
      Math.abs(found - probability) <= allowed,
      `of ${samples} draws at temperature ${temperature}, ${(100 * found).toFixed(1)} % are id ${id}, whose probability is ${(100 * probability).toFixed(1)} %`,
    );
  }
}
