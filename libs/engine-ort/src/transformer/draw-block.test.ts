import { describe, expect, it } from '@jest/globals';
import { createSampler, drawFromBlock, drawUniform } from '@backsight/engine';
import { Graph } from '../graph/graph.js';
import { floatTensor, Session } from '../session.js';
import { blockWidth, drawBlock } from './draw-block.js';

/** Draws a token of each row through its block. */
async function drawRows(rows: readonly Float32Array[], uniforms: readonly number[]) {
  const [count, size] = [rows.length, rows[0]!.length];
  const graph = new Graph();
  const probabilities = graph.input('probabilities', 'float32', ['N', size]);
  const drawn = drawBlock(graph, probabilities, graph.input('uniforms', 'float32', ['N', 1]));
  for (const [name, value] of Object.entries(drawn)) graph.output(`drawn ${name}`, value);
  const session = await Session.load(graph, 1);
  const outputs = await session.run({
    probabilities: floatTensor(Float32Array.from(rows.flatMap((row) => [...row])), [count, size]),
    uniforms: floatTensor(Float32Array.from(uniforms), [count, 1]),
  });
  await session.release();
  const width = blockWidth(size)!;
  const floats = (name: string) => outputs.floats(`drawn ${name}`);
  return uniforms.map((uniform, row) =>
    drawFromBlock(
      {
        firstToken: Number(outputs.integers('drawn block')[row]) * width,
        before: floats('before')[row]!,
        total: floats('total')[row]!,
        probabilities: floats('probabilities').subarray(row * width, (row + 1) * width),
      },
      uniform,
    ),
  );
}

describe('drawBlock', () => {
  it('leads to the token that a sampler draws from the whole distribution', async () => {
    const size = 6 * 64;
    const uniforms = Array.from({ length: 200 }, (_, i) => drawUniform(4, i, 0, 0));
    const rows = uniforms.map((_, i) => distribution(size, (id) => Math.exp(8 * drawUniform(5, i, id, 0))));
    const whole = createSampler({ temperature: 1, topP: 1 });
    const expected = rows.map((row, i) => whole(row, uniforms[i]!));
    const drawn = await drawRows(rows, uniforms);
    expect(drawn.map(({ tokenId }) => tokenId)).toEqual(expected.map(({ tokenId }) => tokenId));
    expect(drawn.map(({ logprob }) => logprob)).toEqual(expected.map(({ logprob }) => logprob));
  });

  it('never draws a block without probability, at either end', async () => {
    const row = distribution(4 * 32, (id) => (id >= 32 && id < 96 && id % 2 === 0 ? 1 : 0));
    const drawn = await drawRows([row, row, row], [0, 1 - 2 ** -53, 0.5]);
    expect(drawn.map(({ tokenId }) => tokenId)).toEqual([32, 94, 64]);
  });
});

describe('blockWidth', () => {
  it('divides the vocabulary, and is absent where only small blocks would', () => {
    expect([49_152, 151_936, 32_000, 96].map(blockWidth)).toEqual([512, 128, 500, 48]);
    expect([31, 8191, 20].map(blockWidth)).toEqual([undefined, undefined, undefined]);
  });
});

function distribution(size: number, weight: (id: number) => number): Float32Array {
  const weights = Array.from({ length: size }, (_, id) => weight(id));
  const total = weights.reduce((sum, value) => sum + value, 0);
  return Float32Array.from(weights, (value) => value / total);
}
