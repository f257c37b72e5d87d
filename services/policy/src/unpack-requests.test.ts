import { describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import { caughtViolations } from './caught-failure.js';
import { scriptedCard } from './scripted-engine.js';
import { unpackGenerate, unpackScore } from './unpack-requests.js';

const sampling = { temperature: 0.5, maxTokens: 4, seed: 1 };

describe('unpackGenerate', () => {
  const unpack = (change: object) => {
    const request = { prompts: [{ tokenIds: [1] }], groupSize: 2, sampling, ...change };
    return unpackGenerate(proto.GenerateRequest.fromPartial(request), scriptedCard);
  };

  it('keeps every token when top-p is unset', () => {
    expect(unpack({})).toEqual({
      prompts: [[1]],
      groupSize: 2,
      sampling: { temperature: 0.5, topP: 1, maxTokens: 4, seed: 1, stopIds: [] },
    });
  });

  it.each<[string, object, string[]]>([
    ['no prompts', { prompts: [] }, ['prompts: must hold at least one prompt, is empty']],
    [
      'bad prompts',
      { prompts: [{ tokenIds: [] }, { tokenIds: [1, 100] }, { tokenIds: Array(16).fill(1) }] },
      [
        'prompts[0].token_ids: must hold at least one token id, is empty',
        'prompts[1].token_ids: id 100 at position 1 is not in [0, 100)',
        'prompts[2].token_ids: a prompt of 16 and a completion of 1 tokens make 17; the context window holds 16',
      ],
    ],
    ['no group', { groupSize: 0 }, ['group_size: must be a number at least 1, is 0']],
    [
      'more completions than can ever be held',
      { prompts: [{ tokenIds: [1] }, { tokenIds: [2] }], groupSize: 500_001 },
      ['group_size: makes 1000002 completions, must make at most 1000000 in one request'],
    ],
    ['no sampling', { sampling: undefined }, ['sampling: must be set']],
    [
      'sampling out of range',
      { sampling: { temperature: -1, topP: 0, maxTokens: 0, seed: 0, stopIds: [3, 101] } },
      [
        'sampling.temperature: must be a number at least 0, is -1',
        'sampling.top_p: must be a number above 0 and at most 1, is 0',
        'sampling.max_tokens: must be a number at least 1, is 0',
        'sampling.stop_ids: id 101 at position 1 is not in [0, 100)',
      ],
    ],
  ])('refuses %s, naming every field', async (_, change, violations) => {
    expect(await caughtViolations(() => unpack(change))).toEqual(violations);
  });
});

describe('unpackScore', () => {
  const unpack = (request: object) => unpackScore(proto.ScoreRequest.fromPartial(request), scriptedCard);

  it('scores under the student at temperature 1 unless told otherwise', () => {
    const items = [{ promptIds: [1], completionIds: [4, 5] }];
    expect(unpack({ items })).toEqual({ items, weights: 'student', temperature: 1, topK: 0 });
    const other = { items, weights: proto.WeightSet.TEACHER, temperature: 2, topK: 3 };
    expect(unpack(other)).toEqual({ items, weights: 'teacher', temperature: 2, topK: 3 });
  });

  it('names every field that is wrong', async () => {
    const items = [
      { promptIds: [], completionIds: [400] },
      { promptIds: Array<number>(15).fill(1), completionIds: [1, 1] },
    ];
    expect(await caughtViolations(() => unpack({ items, temperature: 0, topK: 101 }))).toEqual([
      'items[0].prompt_ids: must hold at least one token id, is empty',
      'items[0].completion_ids: id 400 at position 0 is not in [0, 100)',
      'items[1]: a prompt of 15 and a completion of 2 tokens make 17; the context window holds 16',
      'temperature: must be a number above 0, is 0',
      'top_k: must be a number at most 100, is 101',
    ]);
    const long = { promptIds: [1], completionIds: Array<number>(15).fill(1) };
    expect(await caughtViolations(() => unpack({ items: Array(5593).fill(long), topK: 100 }))).toEqual([
      'top_k: makes 8389500 entries for 83895 tokens, must make at most 8388608; ask for fewer items at a time',
    ]);
    expect(await caughtViolations(() => unpack({}))).toEqual([
      'items: must hold at least one item, is empty',
    ]);
  });
});
