import { describe, expect, it } from '@jest/globals';
import { WeightSet } from '@backsight/engine';
import { DataType, PullWeightsResponse } from '@backsight/contract/policy';
import fc from 'fast-check';
import { packWeights } from './pack-weights.js';
import { BrokenWeightsError, receiveWeights } from './receive-weights.js';
import { emptyTensors, snapshotOf, weightsOf, type SentType } from './snapshot.js';

const table = new Map([
  ['model.norm', [7]],
  ['embed', [30, 4]],
  ['Head', [2, 3, 5]],
]);
const size = 7 + 120 + 30;
const types = fc.constantFrom<SentType>('float32', 'bfloat16');
const values = fc
  .array(fc.float({ noNaN: false }), { minLength: size, maxLength: size })
  .map((all) => Float32Array.from(all));

const snapshot = (version: number, all: Float32Array, type: SentType) =>
  snapshotOf(version, new WeightSet(table, all.slice()), type);

/** Over the wire and back, as bytes. */
async function* wire(messages: Iterable<PullWeightsResponse>) {
  for (const message of messages) {
    await Promise.resolve();
    yield PullWeightsResponse.decode(PullWeightsResponse.encode(message).finish());
  }
}

const bytesIn = (messages: Iterable<PullWeightsResponse>) =>
  [...messages].reduce((sum, message) => sum + PullWeightsResponse.encode(message).finish().length, 0);

describe('packWeights', () => {
  it('sends the whole in the order of names, and receiving gives it back bit for bit', async () => {
    await fc.assert(
      fc.asyncProperty(values, types, async (all, type) => {
        const sent = await snapshot(3, all, type);
        const tensors = emptyTensors(table, type);
        const received = await receiveWeights(wire(packWeights(sent)), tensors, type);
        expect(received).toMatchObject({ version: 3, bytes: size * (type === 'float32' ? 4 : 2) });
        expect(received.checksum).toEqual(sent.checksum);
        expect(tensors).toEqual(sent.tensors);
        expect(tensors.map(({ name }) => name)).toEqual(['Head', 'embed', 'model.norm']);
        if (type === 'float32')
          expect((await weightsOf(tensors, table)).equals(new WeightSet(table, all))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('sends as a delta what has changed, and receiving it leads to the same weights', async () => {
    const changes = fc.array(fc.tuple(fc.nat(size - 1), fc.float()), { maxLength: size });
    await fc.assert(
      fc.asyncProperty(values, changes, types, async (all, changed, type) => {
        const base = await snapshot(3, all, type);
        const after = all.slice();
        for (const [index, value] of changed) after[index] = value;
        const sent = await snapshot(4, after, type);
        const tensors = emptyTensors(table, type);
        const { checksum } = await receiveWeights(wire(packWeights(base)), tensors, type);
        const received = await receiveWeights(wire(packWeights(sent, base)), tensors, type, checksum);
        expect(received.checksum).toEqual(sent.checksum);
        expect(tensors).toEqual(sent.tensors);
      }),
      { numRuns: 60 },
    );
  });

  it('sends little where little has changed: nothing for nothing, gaps for scattered elements', async () => {
    const wide = new Map([['w', [1000, 1000]]]);
    const before = new Float32Array(1e6).fill(1);
    const after = before.slice();
    for (let i = 0; i < 1e6; i += 100) after[i] = 2;
    const [base, sent] = await Promise.all(
      [before, after].map((all, version) => snapshotOf(version, new WeightSet(wide, all), 'bfloat16')),
    );
    expect(bytesIn(packWeights(base!, base))).toBeLessThan(150);
    expect(bytesIn(packWeights(sent!))).toBeGreaterThan(2e6);
    expect(bytesIn(packWeights(sent!, base))).toBeLessThan(10_000 * (2 + 1) + 500);
  });
});

describe('receiveWeights', () => {
  const all = new Float32Array(size).map((_, i) => i / 8);
  const change = async (of: (messages: PullWeightsResponse[]) => PullWeightsResponse[]) => {
    const messages = [...packWeights(await snapshot(3, all, 'float32'))];
    return receiveWeights(wire(of(messages)), emptyTensors(table, 'float32'), 'float32');
  };
  const inChunk = (index: number, part: Partial<NonNullable<PullWeightsResponse['chunk']>>) =>
    change((messages) =>
      messages.map((message, i) =>
        i === index && message.chunk ? { ...message, chunk: { ...message.chunk, ...part } } : message,
      ),
    );
  const flipped = Uint8Array.from(new Uint8Array(new Float32Array(120).buffer), () => 1);

  it.each<[string, () => Promise<unknown>, string]>([
    [
      'a flipped bit',
      () => inChunk(1, { data: flipped }),
      'tensor "embed": the piece at element 0 does not have its checksum',
    ],
    ['another model', () => inChunk(0, { name: 'lm_head' }), '"lm_head" is not a tensor of this model'],
    [
      'another shape',
      () => inChunk(1, { shape: [31, 4] }),
      'tensor "embed": expected shape [30, 4], found [31, 4]',
    ],
    ['another type', () => inChunk(0, { dtype: DataType.BFLOAT16 }), 'tensor "Head": asked for float32'],
    [
      'a piece beyond the end',
      () => inChunk(0, { offset: 1 }),
      'tensor "Head": a piece ends at element 31 of 30',
    ],
    [
      'gaps beyond the end',
      () => inChunk(2, { gaps: [0, 1, 1, 1, 1, 1, 9] }),
      'tensor "model.norm": a piece ends at element 15 of 7',
    ],
    ['gaps of another number', () => inChunk(2, { gaps: [0] }), 'tensor "model.norm": has more gaps'],
    ['a piece left out', () => change(([, ...rest]) => rest), 'tensor "Head": 0 of 30 elements were sent'],
    [
      'pieces exchanged',
      () => inChunk(2, { gaps: [6, 0, 0, 0, 0, 0, 0] }),
      'the weights do not have the checksum of version 3',
    ],
    [
      'a stream cut short',
      () => change((messages) => messages.slice(0, -1)),
      'the stream ended before its checksum',
    ],
  ])('refuses %s, saying where', async (_, work, problem) => {
    await expect(work()).rejects.toThrow(BrokenWeightsError);
    await expect(work()).rejects.toThrow(problem);
  });
});
