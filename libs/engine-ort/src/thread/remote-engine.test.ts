import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CheckpointError,
  EngineInputError,
  UnsupportedError,
  VersionMismatchError,
  type Engine,
  type SampledCompletion,
  type SampledToken,
  type TrainExample,
} from '@backsight/engine';
import { collect, examplesOf, never, plan, request, TestEngines } from '../test-engine.js';
import { serveCall } from './engine-host.js';
import { tellVersion, type CallMessage, type VersionCell } from './messages.js';
import { packError, unpackError } from './packed-error.js';
import { RemoteEngine } from './remote-engine.js';

/** The two sides of a thread, with a real engine behind real channels. */
interface House {
  readonly engines: TestEngines;
  readonly local: Engine;
  readonly remote: Engine;
  readonly thread: MessagePort;
}

let house: House;

beforeEach(async () => {
  const engines = await TestEngines.create();
  const local = await engines.load();
  const cell: VersionCell = new BigInt64Array(new SharedArrayBuffer(8));
  tellVersion(cell, local);
  const { port1, port2 } = new MessageChannel();
  port2.on('message', (message: CallMessage) => {
    void serveCall(local, message, cell);
  });
  const remote = new RemoteEngine(port1, local.card, local.info, cell, Promise.resolve());
  house = { engines, local, remote, thread: port1 };
});

afterEach(async () => {
  house.thread.close();
  await house.engines.remove();
});

describe('RemoteEngine', () => {
  it('samples, scores and trains as the engine itself, bit for bit', async () => {
    const { local, remote, engines } = house;
    expect(await collect(remote, request)).toEqual(await collect(local, request));
    const items = [{ promptIds: [1, 5, 6], completionIds: [7, 8] }];
    const score = { items, weights: 'student', temperature: 1, topK: 3 } as const;
    expect(await remote.score(score, never)).toEqual(await local.score(score, never));
    const twin = await engines.load({ checkpointFolder: `${engines.folder}/twin` });
    const taken = await examples();
    const { seconds: _, ...report } = await remote.trainStep(plan, taken, never);
    const { seconds: __, ...expected } = await twin.trainStep(plan, taken, never);
    expect(report).toEqual(expected);
    expect(remote.version).toBe(twin.version);
    const [trained, twins] = [await remote.readWeights(), await twin.readWeights()];
    expect(trained.weights.equals(twins.weights)).toBe(true);
  });

  it('saves, lists, exports and restores', async () => {
    const { remote } = house;
    const saved = await remote.saveCheckpoint('one', 0.5);
    expect(await remote.listCheckpoints()).toContainEqual(saved);
    expect(await remote.exportCheckpoint('one')).toContain('one');
    await remote.trainStep(plan, await examples(), never);
    expect(remote.version).toBe(plan.miniBatches);
    expect(await remote.restoreCheckpoint('one')).toEqual(saved);
    expect(remote.version).toBe(0);
  });

  it('takes over weights and their version, and leaves the giver his', async () => {
    const { remote } = house;
    const { weights } = await remote.readWeights();
    weights.flat.fill(0.25);
    await remote.replaceWeights({ version: 41, weights });
    expect(remote.version).toBe(41);
    expect((await remote.readWeights()).weights.equals(weights)).toBe(true);
  });

  it('throws what the engine throws', async () => {
    const { remote } = house;
    await expect(collect(remote, { ...request, prompts: [] })).rejects.toBeInstanceOf(EngineInputError);
    await expect(remote.restoreCheckpoint('never-saved')).rejects.toMatchObject({
      constructor: CheckpointError,
      reason: 'missing',
    });
    await expect(remote.trainStep({ ...plan, expectedVersion: 3 }, await examples(), never)).rejects.toEqual(
      new VersionMismatchError(3, 0),
    );
  });

  it('hands out tokens as they are drawn, and ends a completion where the listener ends it', async () => {
    const { local, remote } = house;
    const all = await collect(local, request);
    const heard: SampledToken[] = [];
    const ended = await collect(remote, {
      ...request,
      onToken: (token) => {
        heard.push(token);
        const own = heard.filter((each) => key(each) === key(token));
        return token.promptIndex === 1 && own.length === 2 ? 'end' : 'go-on';
      },
    });
    for (const completion of ended) {
      const whole = all.find((each) => key(each) === key(completion))!;
      const cut = completion.promptIndex === 1 ? 2 : whole.tokenIds.length;
      expect(completion.tokenIds).toEqual(whole.tokenIds.slice(0, cut));
      // With fewer completions beside it, sums are rounded in another order.
      completion.logprobs.forEach((logprob, t) => {
        expect(logprob).toBeCloseTo(whole.logprobs[t]!, 5);
      });
      expect(heard.filter((each) => key(each) === key(completion)).map(({ tokenId }) => tokenId)).toEqual(
        completion.tokenIds,
      );
    }
    expect(ended).toHaveLength(all.length);
  });

  it('frees the slots of a caller who leaves, and of one who aborts', async () => {
    const { remote } = house;
    const endless = { ...request, sampling: { ...request.sampling, maxTokens: 40 } };
    for await (const _ of remote.generate(endless, never)) break;
    const gone = new AbortController();
    const aborted = collect(remote, endless, gone.signal);
    setImmediate(() => {
      gone.abort(new Error('enough'));
    });
    await expect(aborted).rejects.toThrow('enough');
    expect(await collect(remote, request)).toHaveLength(12);
  });

  it('leaves everything as it was when a step is aborted', async () => {
    const { remote } = house;
    const before = await remote.readWeights();
    const gone = new AbortController();
    const step = remote.trainStep({ ...plan, miniBatches: 3 }, await examples(), gone.signal);
    setImmediate(() => {
      gone.abort(new Error('enough'));
    });
    await expect(step).rejects.toThrow('enough');
    expect(remote.version).toBe(0);
    expect((await remote.readWeights()).weights.equals(before.weights)).toBe(true);
  });

  it('fails a call whose thread has ended', async () => {
    const { card, info } = house.local;
    const cell: VersionCell = new BigInt64Array(new SharedArrayBuffer(8));
    const dead = {
      postMessage: ({ port }: CallMessage) => {
        port.close();
      },
    };
    const remote = new RemoteEngine(dead, card, info, cell, Promise.resolve());
    await expect(remote.listCheckpoints()).rejects.toThrow('The engine has ended.');
    await expect(collect(remote, request)).rejects.toThrow('The engine has ended.');
  });
});

describe('unpackError', () => {
  it.each([
    new EngineInputError([{ field: 'seed', description: 'must be whole' }]),
    new VersionMismatchError(1, 2),
    new CheckpointError({ reason: 'invalid', file: 'model.safetensors', tensor: 'a', problem: 'is short' }),
    new UnsupportedError('SOME_THING', 'There is none.'),
    new TypeError('a bug'),
  ])('gives back %p', (error) => {
    const unpacked = unpackError(structuredClone(packError(error)));
    expect(unpacked).toEqual(error);
    expect(unpacked.name).toBe(error.name);
  });
});

async function examples(): Promise<readonly TrainExample[]> {
  return examplesOf(await collect(house.local, request));
}

function key({ promptIndex, sampleIndex }: SampledToken | SampledCompletion): string {
  return `${promptIndex}/${sampleIndex}`;
}
