import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Tensor } from 'onnxruntime-node';
import { floatTensor, idTensor } from '../session.js';
import { differentiate } from './differentiate.js';
import { gradientError } from './finite-differences.js';
import { Graph, type SegmentMemory } from './graph.js';
import { neededNodes } from './needed-nodes.js';
import { add } from './ops/add.js';
import { abs } from './ops/elementwise.js';
import { embed } from './ops/embed.js';
import { matmul } from './ops/matmul.js';
import { multiply, scale } from './ops/multiply.js';
import { concat, split } from './ops/parts.js';
import { reduceSum } from './ops/reduce-sum.js';
import { reshape } from './ops/reshape.js';
import { rmsNorm } from './ops/rms-norm.js';
import { rotary } from './ops/rotary.js';
import { selectRows } from './ops/select-rows.js';
import { silu } from './ops/silu.js';
import { softmax } from './ops/softmax.js';
import { stretch } from './ops/stretch.js';
import { subtract } from './ops/subtract.js';
import { transpose } from './ops/transpose.js';

/** Float32 finite differences of step 1e-2: curvature and rounding leave up to this share of the largest gradient. */
const tolerance = 1e-3;

/** Values of order 1 that differ from axis to axis. */
function numbers(shape: readonly number[], phase = 0): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  return floatTensor(
    Float32Array.from({ length: count }, (_, i) => Math.sin(1.7 * i + phase) * 0.9),
    shape,
  );
}

describe('differentiate', () => {
  const x = { tensor: numbers([2, 3, 4]), shape: ['B', 'T', 4] };

  it.each([
    ['of one shape', { tensor: numbers([2, 3, 4], 1), shape: ['B', 'T', 4] }],
    ['stretched over the leading axes', { tensor: numbers([4], 1) }],
    ['stretched over an inner axis', { tensor: numbers([2, 1, 4], 1), shape: ['B', 1, 4] }],
    ['that is a scalar', { tensor: numbers([], 1) }],
  ])('agrees with finite differences for sums, differences and products with an operand %s', async (_, y) => {
    for (const op of [add, subtract, multiply])
      expect(
        await gradientError({
          operands: { x, y },
          build: (graph, operand) => op(graph, operand('x'), operand('y')),
          resultShape: [2, 3, 4],
        }),
      ).toBeLessThan(tolerance);
  });

  it.each([
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ])(
    'agrees for a batched product with operands transposed %p, %p',
    async (transposeLeft, transposeRight) => {
      const left = { tensor: numbers(transposeLeft ? [2, 4, 3] : [2, 3, 4]) };
      const right = { tensor: numbers(transposeRight ? [2, 5, 4] : [2, 4, 5], 2) };
      expect(
        await gradientError({
          operands: { left, right },
          build: (graph, operand) =>
            matmul(graph, operand('left'), operand('right'), { transposeLeft, transposeRight, scale: 0.7 }),
          resultShape: [2, 3, 5],
        }),
      ).toBeLessThan(tolerance);
    },
  );

  it('agrees for a product whose batch axis is stretched', async () => {
    expect(
      await gradientError({
        operands: { left: { tensor: numbers([2, 3, 4]) }, right: { tensor: numbers([4, 5], 2) } },
        build: (graph, operand) => matmul(graph, operand('left'), operand('right')),
        resultShape: [2, 3, 5],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for softmax', async () => {
    expect(
      await gradientError({
        operands: { x },
        build: (graph, operand) => softmax(graph, operand('x')),
        resultShape: [2, 3, 4],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for silu', async () => {
    expect(
      await gradientError({
        operands: { x },
        build: (graph, operand) => silu(graph, operand('x')),
        resultShape: [2, 3, 4],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for rmsNorm, input and weight', async () => {
    expect(
      await gradientError({
        operands: { x, weight: { tensor: numbers([4], 3) } },
        build: (graph, operand) => rmsNorm(graph, operand('x'), operand('weight'), 1e-5),
        resultShape: [2, 3, 4],
      }),
    ).toBeLessThan(tolerance);
  });

  it.each([
    ['in order', {}],
    ['of its own', { positions: { tensor: idTensor([4, 0, 2, 1, 1, 3], [2, 3]), shape: ['B', 'T'] } }],
  ])('agrees for rotary with positions %s', async (_, positions) => {
    const angles = [...Array(5).keys()].flatMap((position) => [position, position / 10]);
    const table = (of: (angle: number) => number) => floatTensor(Float32Array.from(angles, of), [5, 2]);
    expect(
      await gradientError({
        operands: {
          x: { tensor: numbers([2, 2, 3, 4]), shape: ['B', 2, 'T', 4] },
          cosines: { tensor: table(Math.cos) },
          sines: { tensor: table(Math.sin) },
          ...positions,
        },
        fixed: ['cosines', 'sines'],
        build: (graph, operand) =>
          rotary(
            graph,
            operand('x'),
            { cosines: operand('cosines'), sines: operand('sines') },
            'positions' in positions ? operand('positions') : undefined,
          ),
        resultShape: [2, 2, 3, 4],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for split and concat where only the run knows the lengths', async () => {
    expect(
      await gradientError({
        operands: {
          x: { tensor: numbers([2, 3]), shape: ['B', 'P'] },
          y: { tensor: numbers([2, 4], 1), shape: ['B', 'T'] },
        },
        build: (graph, operand) => {
          const joined = softmax(graph, concat(graph, [operand('x'), operand('y')], -1));
          const [first, second] = split(graph, joined, -1, ['P', 'T']);
          return concat(graph, [second!, silu(graph, first!)], -1);
        },
        resultShape: [2, 7],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for reshape with a length only the run knows', async () => {
    expect(
      await gradientError({
        operands: { x },
        build: (graph, operand) => {
          const flat = reshape(graph, operand('x'), ['B*T', 4]);
          return reshape(graph, multiply(graph, flat, flat), ['B', 'T', 2, 2]);
        },
        resultShape: [2, 3, 2, 2],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for transpose', async () => {
    expect(
      await gradientError({
        operands: { x },
        build: (graph, operand) => transpose(graph, operand('x'), [2, 0, 1]),
        resultShape: [4, 2, 3],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for split, also where a part is not used', async () => {
    expect(
      await gradientError({
        operands: { x },
        build: (graph, operand) => {
          const [first, , last] = split(graph, operand('x'), -1, [1, 2, 1]);
          return multiply(graph, first!, last!);
        },
        resultShape: [2, 3, 1],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for concat', async () => {
    expect(
      await gradientError({
        operands: { x, y: { tensor: numbers([2, 3, 1], 1), shape: ['B', 'T', 1] } },
        build: (graph, operand) => concat(graph, [operand('x'), operand('y')], -1),
        resultShape: [2, 3, 5],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for reduceSum and scale', async () => {
    expect(
      await gradientError({
        operands: { x },
        build: (graph, operand) => scale(graph, reduceSum(graph, operand('x'), [0, -1]), 0.5),
        resultShape: [1, 3, 1],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for selectRows of distinct rows', async () => {
    expect(
      await gradientError({
        operands: {
          x: { tensor: numbers([5, 3]), shape: ['M', 3] },
          rows: { tensor: idTensor([4, 0, 2], [3]), shape: ['N'] },
        },
        build: (graph, operand) => selectRows(graph, operand('x'), operand('rows')),
        resultShape: [3, 3],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for a value that is stretched along some axes', async () => {
    expect(
      await gradientError({
        operands: {
          x: { tensor: numbers([2, 1, 1, 3]), shape: ['B', 1, 1, 3] },
          y: { tensor: numbers([5], 1), shape: ['N'] },
        },
        build: (graph, operand) => {
          const y = reshape(graph, operand('y'), [1, 1, 'N', 1]);
          return multiply(graph, stretch(graph, operand('x'), ['B', 4, 'N', 3]), y);
        },
        resultShape: [2, 4, 5, 3],
      }),
    ).toBeLessThan(tolerance);
  });

  it('agrees for embed with repeated ids', async () => {
    expect(
      await gradientError({
        operands: {
          table: { tensor: numbers([5, 3]) },
          ids: { tensor: idTensor([4, 0, 4, 4, 1], [5]), shape: ['M'] },
        },
        build: (graph, operand) => embed(graph, operand('table'), operand('ids')),
        resultShape: [5, 3],
      }),
    ).toBeLessThan(tolerance);
  });

  it.each(['kept', 'partly', 'recomputed'] as const)(
    'agrees for segments of which what is inside is %s',
    async (memory) => {
      expect(
        await gradientError({
          operands: {
            x: { tensor: numbers([5, 3]), shape: ['M', 3] },
            y: { tensor: numbers([3, 3], 1) },
            z: { tensor: numbers([3], 2) },
          },
          build: (graph, operand) => {
            const first = graph.segment(memory, operand('x'), (x) =>
              silu(graph, graph.retain(matmul(graph, x, operand('y')))),
            );
            const second = graph.segment(memory, first, (x) =>
              add(graph, x, graph.retain(multiply(graph, graph.retain(silu(graph, x)), operand('z')))),
            );
            return softmax(graph, second);
          },
          resultShape: [5, 3],
        }),
      ).toBeLessThan(tolerance);
    },
  );

  it('computes again what a segment does not keep, and no more than derivatives read', () => {
    const repeated = (memory: SegmentMemory) => {
      const graph = new Graph();
      const x = graph.input('x', 'float32', ['M', 3]);
      const y = graph.input('y', 'float32', [3, 3]);
      // The derivative of the last product reads its operands, not what it is.
      const result = graph.segment(memory, x, (input) =>
        matmul(graph, silu(graph, graph.retain(matmul(graph, input, y))), y),
      );
      const [gradient] = differentiate(graph, [{ value: result, gradient: result }], [x]);
      graph.output('gradient', gradient!);
      return neededNodes(graph).flatMap(({ name, op }) => (name.startsWith('again') ? [op] : []));
    };
    expect(repeated('kept')).toEqual([]);
    expect(repeated('partly')).toEqual(['QuickGelu']);
    expect(repeated('recomputed')).toEqual(['FusedMatMul', 'QuickGelu']);
  });

  it('adds up the gradients of a value used more than once', async () => {
    expect(
      await gradientError({
        operands: { x },
        build: (graph, operand) => multiply(graph, softmax(graph, operand('x')), silu(graph, operand('x'))),
        resultShape: [2, 3, 4],
      }),
    ).toBeLessThan(tolerance);
  });

  it('is checked here for every operator that has a derivative', async () => {
    const folder = join(import.meta.dirname, 'ops');
    const source = async (file: string) => readFile(join(folder, file), 'utf8');
    const tests = await readFile(import.meta.filename, 'utf8');
    const files = (await readdir(folder)).filter((file) => !file.endsWith('.test.ts'));
    const differentiated: string[] = [];
    for (const file of files) if ((await source(file)).includes('derivative:')) differentiated.push(file);
    expect(differentiated.length).toBeGreaterThan(12);
    const unchecked = differentiated.filter((file) => !tests.includes(`/ops/${file.replace('.ts', '.js')}`));
    expect(unchecked).toEqual([]);
  });

  it('refuses an operator without a derivative by name', () => {
    const graph = new Graph();
    const input = graph.input('input', 'float32', ['N']);
    const result = abs(graph, input);
    expect(() => differentiate(graph, [{ value: result, gradient: result }], [input])).toThrow(
      /Abs has no derivative/,
    );
  });

  it('refuses a target that the seeds do not depend on', () => {
    const graph = new Graph();
    const [used, unused] = [graph.input('used', 'float32', ['N']), graph.input('unused', 'float32', ['N'])];
    const result = silu(graph, used);
    expect(() => differentiate(graph, [{ value: result, gradient: used }], [unused])).toThrow(/unused/);
  });
});
