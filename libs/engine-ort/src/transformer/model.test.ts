import { describe, expect, it } from '@jest/globals';
import { topIds } from '@backsight/sdpo';
import { testConfig, testWeights } from '../test-model.js';
import { Model } from './model.js';
import { referenceLogits } from './reference-model.js';

const never = new AbortController().signal;

const sequences = [
  { promptIds: [1, 5, 6], completionIds: [7, 7, 30, 2] },
  { promptIds: [4], completionIds: [9] },
  { promptIds: [1, 5, 6], completionIds: [9] },
  { promptIds: [1, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18], completionIds: [3, 29] },
];

describe('Model', () => {
  it.each([true, false])(
    'scores as the float64 reference does (tied embeddings: %p)',
    async (tiedEmbeddings) => {
      const config = { ...testConfig, tiedEmbeddings };
      const weights = testWeights(config);
      const model = new Model(config, 64, 1);
      const [temperature, topK] = [0.8, 4];
      const scores = await model.score(weights.flat, sequences, { temperature, topK }, never);
      sequences.forEach((sequence, i) => {
        const score = scores[i]!;
        referenceLogits(config, weights, sequence).forEach((logits, t) => {
          const logprobs = logSoftmax(logits.map((logit) => logit / temperature));
          expect(score.logprobs[t]).toBeCloseTo(logprobs[sequence.completionIds[t]!]!, 4);
          expect(score.entropies[t]).toBeCloseTo(-logprobs.reduce((sum, l) => sum + l * Math.exp(l), 0), 4);
          const top = topIds(logprobs, topK);
          expect(score.topIds.slice(t * topK, (t + 1) * topK)).toEqual(top);
          top.forEach((id, k) => {
            expect(score.topLogprobs[t * topK + k]).toBeCloseTo(logprobs[id]!, 4);
          });
        });
      });
      await model.programs.release();
    },
  );

  it('scores after a long prompt, which attends to itself in blocks, as the reference does', async () => {
    const config = { ...testConfig, contextWindow: 400 };
    const weights = testWeights(config);
    const model = new Model(config, 1024, 1);
    const prompt = (length: number) => Array.from({ length }, (_, i) => (i * i) % config.vocabularySize);
    const long = [
      { promptIds: prompt(300), completionIds: [7, 30] },
      { promptIds: prompt(280), completionIds: [9] },
    ];
    const scores = await model.score(weights.flat, long, { temperature: 1, topK: 0 }, never);
    long.forEach((sequence, i) => {
      referenceLogits(config, weights, sequence).forEach((logits, t) => {
        expect(scores[i]!.logprobs[t]).toBeCloseTo(logSoftmax(logits)[sequence.completionIds[t]!]!, 4);
      });
    });
    await model.programs.release();
  });

  it('gives a sequence the same score whatever it is batched with', async () => {
    const weights = testWeights();
    const [together, apart] = [new Model(testConfig, 1024, 1), new Model(testConfig, 1, 1)];
    const settings = { temperature: 1, topK: 0 };
    const [a, b] = [
      await together.score(weights.flat, sequences, settings, never),
      await apart.score(weights.flat, sequences, settings, never),
    ];
    a.forEach(({ logprobs }, i) => {
      logprobs.forEach((logprob, t) => {
        expect(logprob).toBeCloseTo(b[i]!.logprobs[t]!, 4);
      });
    });
    await together.programs.release();
    await apart.programs.release();
  });

  it('scores the same where the head works in shares', async () => {
    const weights = testWeights();
    const [whole, sparing] = [
      new Model(testConfig, 64, 1),
      new Model(testConfig, 64, 1, 'rows', { activationBytes: 0, logits: 1 }),
    ];
    const settings = { temperature: 1, topK: 3 };
    const [a, b] = [
      await whole.score(weights.flat, sequences, settings, never),
      await sparing.score(weights.flat, sequences, settings, never),
    ];
    a.forEach((score, i) => {
      expect(b[i]!.topIds).toEqual(score.topIds);
      score.logprobs.forEach((logprob, t) => {
        expect(b[i]!.logprobs[t]).toBeCloseTo(logprob, 5);
      });
    });
    await whole.programs.release();
    await sparing.programs.release();
  });

  it('stops between runs when it is aborted', async () => {
    const model = new Model(testConfig, 64, 1);
    const scored = model.score(
      testWeights().flat,
      sequences,
      { temperature: 1, topK: 0 },
      AbortSignal.abort(),
    );
    await expect(scored).rejects.toThrow(/abort/);
    await model.programs.release();
  });
});

function logSoftmax(logits: readonly number[]): number[] {
  const normaliser = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return logits.map((logit) => logit - normaliser);
}
