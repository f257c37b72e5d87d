import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  EngineInputError,
  type Engine,
  type GenerateRequest,
  type SampledCompletion,
  type SampledToken,
} from '@backsight/engine';
import { collect, never, request, TestEngines } from '../test-engine.js';
import { testConfig } from '../test-model.js';

let engines: TestEngines;
beforeAll(async () => {
  engines = await TestEngines.create();
});
afterEach(() => engines.closeAll());
afterAll(() => engines.remove());

const withSampling = (sampling: Partial<GenerateRequest['sampling']>): GenerateRequest => ({
  ...request,
  sampling: { ...request.sampling, ...sampling },
});

describe('Generator', () => {
  it('samples with the cache what teacher forcing scores', async () => {
    const engine = await engines.load();
    const completions = await collect(engine, withSampling({ maxTokens: 40 }));
    const difference = await differenceFromScores(engine, completions, 1);
    process.stdout.write(`max |sampled - scored logprob| = ${difference.toExponential(1)}\n`);
    expect(completions).toHaveLength(12);
    expect(difference).toBeLessThan(1e-4);
  });

  it('reports logprobs of the distribution at its temperature', async () => {
    const engine = await engines.load();
    const completions = await collect(engine, withSampling({ temperature: 0.5 }));
    expect(await differenceFromScores(engine, completions, 0.5)).toBeLessThan(1e-4);
  });

  it('reads a prompt at the temperature of each request, though they hand over the same array', async () => {
    const engine = await engines.load({ generationSlots: 24 });
    const temperatures = [1, 0.3];
    const completions = await Promise.all(
      temperatures.map((temperature) => collect(engine, withSampling({ temperature }))),
    );
    for (const [i, temperature] of temperatures.entries())
      expect(await differenceFromScores(engine, completions[i]!, temperature)).toBeLessThan(1e-4);
  });

  it('takes the most likely tokens at a temperature beyond float32, and harms nobody beside it', async () => {
    const engine = await engines.load();
    const [coldest, beside] = await Promise.all([
      collect(engine, withSampling({ temperature: 1e-300 })),
      collect(engine),
    ]);
    const greedy = await collect(engine, withSampling({ temperature: 0 }));
    expect(coldest.map(({ tokenIds }) => tokenIds)).toEqual(greedy.map(({ tokenIds }) => tokenIds));
    expect(coldest.every(({ logprobs }) => logprobs.every((logprob) => logprob === 0))).toBe(true);
    expect(await differenceFromScores(engine, coldest, 1e-300)).toBe(0);
    expect(beside).toHaveLength(12);
  });

  it('draws the same tokens and bits again, and others from another seed', async () => {
    const engine = await engines.load({ threads: 2 });
    const first = await collect(engine);
    expect(await collect(engine)).toEqual(first);
    expect(await collect(await engines.load({ threads: 2 }))).toEqual(first);
    expect(await collect(engine, withSampling({ seed: 8 }))).not.toEqual(first);
  });

  it('draws the same tokens from a block of the vocabulary as from the whole of it', async () => {
    const inBlocks = await TestEngines.create({ ...testConfig, vocabularySize: 64 });
    try {
      const engine = await inBlocks.load();
      const long = { ...withSampling({ maxTokens: 40, temperature: 0.8 }), groupSize: 8 };
      const fromBlocks = await collect(engine, long);
      const fromWhole = await collect(engine, { ...long, topTokens: 1 });
      expect(fromBlocks.map(({ tokenIds }) => tokenIds)).toEqual(fromWhole.map(({ tokenIds }) => tokenIds));
      expect(await differenceFromScores(engine, fromBlocks, 0.8, long)).toBeLessThan(1e-4);
      expect(await collect(engine, long)).toEqual(fromBlocks);
      expect(fromBlocks.some(({ tokenIds }) => tokenIds.some((id) => id >= 32))).toBe(true);
    } finally {
      await inBlocks.remove();
    }
  });

  it('draws different completions of one prompt', async () => {
    const completions = await collect(await engines.load(), { ...request, groupSize: 6 });
    const written = completions
      .filter(({ promptIndex }) => promptIndex === 0)
      .map(({ tokenIds }) => tokenIds.join());
    expect(new Set(written).size).toBeGreaterThan(3);
  });

  it('draws the same tokens however the slots are scheduled', async () => {
    const tokens = async (generationSlots: number, microBatchTokens: number) =>
      (await collect(await engines.load({ generationSlots, microBatchTokens }))).map(
        ({ tokenIds }) => tokenIds,
      );
    const alone = await tokens(1, 8);
    expect(await tokens(3, 16)).toEqual(alone);
    expect(await tokens(64, 1024)).toEqual(alone);
  });

  it('draws the same tokens while other requests share the slots', async () => {
    const engine = await engines.load();
    const alone = await collect(engine);
    const [shared] = await Promise.all([
      collect(engine),
      collect(engine, { ...request, prompts: [[1, 12, 13]], groupSize: 7 }),
    ]);
    expect(shared.map(({ tokenIds }) => tokenIds)).toEqual(alone.map(({ tokenIds }) => tokenIds));
  });

  it('samples what teacher forcing scores where groups differ in size and prompts come late', async () => {
    const engine = await engines.load({ generationSlots: 40 });
    const large = { ...request, prompts: [[1, 5, 6]], groupSize: 30 };
    const late = {
      ...request,
      prompts: [
        [1, 7, 8, 9, 10, 11, 3, 4, 5, 6, 7, 8, 9],
        [1, 4],
      ],
      groupSize: 3,
    };
    let begun: Promise<readonly SampledCompletion[]> | undefined;
    const first = await collect(engine, {
      ...withSampling({ maxTokens: 40 }),
      ...large,
      onToken: () => {
        begun ??= collect(engine, late);
        return 'go-on';
      },
    });
    expect(await differenceFromScores(engine, first, 1, large)).toBeLessThan(1e-4);
    expect(await differenceFromScores(engine, (await begun)!, 1, late)).toBeLessThan(1e-4);
  });

  it('ends at the stop id, at max tokens, and at the context window', async () => {
    const engine = await engines.load();
    const completions = await collect(engine, withSampling({ maxTokens: 5 }));
    for (const { tokenIds, finishReason } of completions) {
      expect(tokenIds.slice(0, -1)).not.toContain(2);
      expect(finishReason).toBe(tokenIds.at(-1) === 2 ? 'stop' : 'length');
      if (finishReason === 'length') expect(tokenIds).toHaveLength(5);
    }
    const prompt = Array.from({ length: testConfig.contextWindow - 3 }, (_, i) => 3 + (i % 20));
    const atTheEdge = await collect(engine, {
      prompts: [prompt],
      groupSize: 8,
      sampling: { ...request.sampling, maxTokens: 100 },
    });
    expect(Math.max(...atTheEdge.map(({ tokenIds }) => tokenIds.length))).toBe(3);
  });

  it('ends at stop ids of the request', async () => {
    const [greedy] = await collect(await engines.load(), {
      prompts: [[1, 5, 6]],
      groupSize: 1,
      sampling: { ...request.sampling, temperature: 0 },
    });
    const stopIds = [greedy!.tokenIds[2]!];
    const [stopped] = await collect(await engines.load(), {
      prompts: [[1, 5, 6]],
      groupSize: 1,
      sampling: { ...request.sampling, temperature: 0, stopIds },
    });
    const end = greedy!.tokenIds.indexOf(stopIds[0]!) + 1;
    expect(stopped).toMatchObject({ tokenIds: greedy!.tokenIds.slice(0, end), finishReason: 'stop' });
  });

  it('tells every token as it is drawn, with the most likely ones beside it', async () => {
    const engine = await engines.load();
    const heard = new Map<string, SampledToken[]>();
    const completions = await collect(engine, {
      ...request,
      topTokens: 3,
      onToken: (token) => {
        const key = `${token.promptIndex}/${token.sampleIndex}`;
        heard.set(key, [...(heard.get(key) ?? []), token]);
        return 'go-on';
      },
    });
    expect(completions.map(({ tokenIds }) => tokenIds)).toEqual(
      (await collect(engine)).map(({ tokenIds }) => tokenIds),
    );
    for (const { promptIndex, sampleIndex, tokenIds, logprobs } of completions) {
      const tokens = heard.get(`${promptIndex}/${sampleIndex}`) ?? [];
      expect(tokens.map(({ tokenId }) => tokenId)).toEqual(tokenIds);
      expect(tokens.map(({ logprob }) => logprob)).toEqual(logprobs);
      for (const { top, tokenId, logprob, policyVersion } of tokens) {
        expect([top.length, policyVersion]).toEqual([3, 0]);
        expect(top.map((one) => one.logprob)).toEqual(top.map((one) => one.logprob).sort((a, b) => b - a));
        expect(top.find((one) => one.tokenId === tokenId)?.logprob ?? logprob).toBe(logprob);
      }
    }
  });

  it('ends the completions whose listener says so, and no others', async () => {
    const engine = await engines.load({ generationSlots: 2 });
    const lengths = new Map<number, number>();
    const completions = await collect(engine, {
      prompts: [[1, 5, 6]],
      groupSize: 5,
      sampling: { ...request.sampling, temperature: 0, maxTokens: 9 },
      onToken: ({ sampleIndex }) => {
        lengths.set(sampleIndex, (lengths.get(sampleIndex) ?? 0) + 1);
        return sampleIndex % 2 === 0 && lengths.get(sampleIndex) === sampleIndex + 1 ? 'end' : 'go-on';
      },
    });
    const whole = completions[1]!.tokenIds;
    expect(completions.map(({ tokenIds }) => tokenIds)).toEqual(
      [1, whole.length, 3, whole.length, 5].map((length) => whole.slice(0, length)),
    );
    for (const even of [0, 2, 4]) expect(completions[even]?.finishReason).toBe('stop');
  });

  it('ends when it is aborted, and leaves the slots to others', async () => {
    const engine = await engines.load({ generationSlots: 2 });
    const controller = new AbortController();
    const found: SampledCompletion[] = [];
    const aborted = (async () => {
      for await (const completion of engine.generate({ ...request, groupSize: 500 }, controller.signal)) {
        found.push(completion);
        controller.abort(new Error('the caller left'));
      }
    })();
    await expect(aborted).rejects.toThrow('the caller left');
    expect(found).toHaveLength(1);
    expect(await collect(engine)).toHaveLength(12);
  });

  it('stops sampling when the iteration is left', async () => {
    const engine = await engines.load({ generationSlots: 2 });
    for await (const completion of engine.generate({ ...request, groupSize: 500 }, never)) {
      expect(completion.tokenIds.length).toBeGreaterThan(0);
      break;
    }
    expect(await collect(engine)).toHaveLength(12);
  });

  it('samples as before once weights that had diverged are replaced', async () => {
    const engine = await engines.load({ generationSlots: 24 });
    const [long, short] = [
      [1, ...Array<number>(15).fill(5)],
      [1, 6],
    ];
    const asked = (prompts: GenerateRequest['prompts']) => ({ ...withSampling({ maxTokens: 20 }), prompts });
    const before = await collect(engine, asked([long, short]));
    const { version, weights } = await engine.readWeights();
    const diverged = weights.clone();
    diverged.tensor('model.layers.0.self_attn.k_proj.weight').values.fill(NaN);
    await engine.replaceWeights({ version, weights: diverged });
    await expect(collect(engine, asked([long, [...long, 7], [...long, 8]]))).rejects.toThrow('have diverged');
    await engine.replaceWeights({ version, weights });
    // A short prompt comes later than a long one, to a row that it does not fill.
    let late: Promise<readonly SampledCompletion[]> | undefined;
    const onToken = () => {
      late ??= collect(engine, asked([short]));
      return 'go-on' as const;
    };
    const after = await collect(engine, { ...asked([long]), onToken });
    expect(after.map(({ tokenIds }) => tokenIds)).toEqual(before.slice(0, 4).map(({ tokenIds }) => tokenIds));
    expect(await differenceFromScores(engine, (await late)!, 1, asked([short]))).toBeLessThan(1e-4);
  });

  it('fails running requests when the engine is closed', async () => {
    const engine = await engines.load({ generationSlots: 2 });
    const running = collect(engine, { ...request, groupSize: 500 });
    const failed = expect(running).rejects.toThrow('The engine is closed.');
    await new Promise((wait) => setTimeout(wait, 20));
    await engine.close();
    await failed;
    expect(() => engine.generate(request, never)).toThrow('The engine is closed.');
  });

  it('names every field that is wrong', async () => {
    const engine = await engines.load();
    const wrong = collect(engine, {
      prompts: [[], [1, 99], Array.from({ length: 50 }, () => 3)],
      groupSize: 0,
      sampling: { temperature: -1, topP: 0, maxTokens: 0, seed: 0.5, stopIds: [31] },
    });
    await expect(wrong).rejects.toThrow(EngineInputError);
    await expect(wrong).rejects.toMatchObject({
      violations: [
        { field: 'group_size' },
        { field: 'sampling.temperature' },
        { field: 'sampling.top_p' },
        { field: 'sampling.max_tokens' },
        { field: 'sampling.seed' },
        { field: 'sampling.stop_ids' },
        { field: 'prompts[0].token_ids', description: 'is empty' },
        { field: 'prompts[1].token_ids', description: '99 is not an id in [0, 31)' },
        { field: 'prompts[2].token_ids' },
      ],
    });
  });
});

/** The largest difference between logprobs as sampled and as scored afterwards. */
async function differenceFromScores(
  engine: Engine,
  completions: readonly SampledCompletion[],
  temperature: number,
  { prompts }: Pick<GenerateRequest, 'prompts'> = request,
): Promise<number> {
  const items = completions.map(({ promptIndex, tokenIds }) => ({
    promptIds: prompts[promptIndex]!,
    completionIds: tokenIds,
  }));
  const scores = await engine.score({ items, weights: 'student', temperature, topK: 0 }, never);
  return Math.max(
    ...completions.flatMap(({ logprobs }, i) =>
      logprobs.map((logprob, t) => Math.abs(logprob - scores[i]!.logprobs[t]!)),
    ),
  );
}
