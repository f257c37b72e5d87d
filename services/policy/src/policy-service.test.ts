import { describe, expect, it } from '@jest/globals';
import * as proto from '@backsight/contract/policy';
import { caughtFailure } from './caught-failure.js';
import { scriptedCard, untilAborted } from './scripted-engine.js';
import { openScriptedRoom, roomOfThisFile, until } from './scripted-room.js';

const room = roomOfThisFile();

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

const sampling = { temperature: 1, maxTokens: 4, seed: 1 };
const generate = (request: object, options = {}) =>
  collect(
    room.client.generate({ prompts: [{ tokenIds: [1] }], groupSize: 1, sampling, ...request }, options),
  );

describe('policyService describe', () => {
  it('tells the model card, the texts, the limits and the version', async () => {
    const description = await room.client.describe({});
    expect(description).toMatchObject({
      ...scriptedCard,
      tokenizerJson: '{"t":1}',
      chatTemplate: '{{ x }}',
      version: 5,
    });
    expect(description.limits).toEqual({ generationSlots: 4, maxExamples: 20, microBatchTokens: 64 });
    expect(description.engine).toEqual({ name: 'scripted', version: '1', device: 'none', threads: 1 });
    expect(description.training).toEqual({
      objectives: [proto.ObjectiveKind.DISTILLATION, proto.ObjectiveKind.LIKELIHOOD],
      teachers: [proto.TeacherKind.EMA, proto.TeacherKind.FROZEN],
      maxSupport: 40,
      commits: true,
    });
  });
});

describe('policyService generate', () => {
  it('streams every completion of every prompt', async () => {
    const answers = await generate({ prompts: [{ tokenIds: [1, 7] }, { tokenIds: [8] }], groupSize: 2 });
    expect(answers.map(({ completion }) => completion)).toEqual(
      [
        [0, 0, [1, 7, 0], proto.FinishReason.STOP],
        [0, 1, [1, 7, 1], proto.FinishReason.LENGTH],
        [1, 0, [8, 0], proto.FinishReason.STOP],
        [1, 1, [8, 1], proto.FinishReason.LENGTH],
      ].map(([promptIndex, sampleIndex, tokenIds, finishReason]) => ({
        promptIndex,
        sampleIndex,
        tokenIds,
        finishReason,
        logprobs: (tokenIds as number[]).map(() => -0.5),
        policyVersion: 5,
      })),
    );
  });

  it('stops the engine when the caller gives up, and makes room again', async () => {
    room.script.pause = untilAborted(room.script);
    const controller = new AbortController();
    const call = caughtFailure(() => generate({ groupSize: 6 }, { signal: controller.signal }));
    setTimeout(() => {
      controller.abort();
    }, 30);
    expect((await call).code).toBe('CANCELLED');
    await until(() => room.script.aborted === 1);
    room.script.pause = () => Promise.resolve();
    expect(await generate({ groupSize: 6 })).toHaveLength(6);
  });

  it('stops the engine at the deadline', async () => {
    room.script.pause = untilAborted(room.script);
    expect((await caughtFailure(() => generate({}, { deadlineMs: 50 }))).code).toBe('DEADLINE_EXCEEDED');
    await until(() => room.script.aborted === 1);
  });

  it('refuses more completions than it may hold, and says when to try again', async () => {
    room.script.pause = untilAborted(room.script);
    const controller = new AbortController();
    let begun = 0;
    const reading = (async () => {
      const request = { prompts: [{ tokenIds: [1] }], groupSize: 4, sampling };
      for await (const _ of room.client.generate(request, { signal: controller.signal })) begun += 1;
    })().catch(() => undefined);
    await until(() => begun > 0);
    const failure = await caughtFailure(() => generate({ groupSize: 3 }));
    expect(failure).toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryAfterMs: 1000 });
    expect(failure.message).toBe('4 of at most 6 completions are in progress');
    controller.abort();
    await reading;
  });
});

describe('policyService score', () => {
  const item = { promptIds: [1], completionIds: [4, 5] };

  it('answers the items in order under the weights asked for', async () => {
    const items = [item, { promptIds: [1], completionIds: [6] }];
    const answer = await room.client.score({
      items,
      weights: proto.WeightSet.TEACHER,
      temperature: 2,
      topK: 1,
    });
    expect(answer).toEqual({
      policyVersion: 5,
      scores: [
        { logprobs: [-1, -1], entropies: [0.5, 0.5], topIds: [0, 0], topLogprobs: [-1, -1] },
        { logprobs: [-1], entropies: [0.5], topIds: [0], topLogprobs: [-1] },
      ],
    });
    expect((await room.client.score({ items: [item] })).scores[0]?.logprobs).toEqual([-1, -1]);
  });
});

describe('startPolicy', () => {
  it('closes the engine once the last call has ended', async () => {
    const other = await openScriptedRoom();
    await other.close();
    expect(other.script.closed).toBe(true);
  });
});
