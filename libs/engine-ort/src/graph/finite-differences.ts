import type { Tensor } from 'onnxruntime-node';
import { floatTensor, Session } from '../session.js';
import { differentiate } from './differentiate.js';
import { Graph } from './graph.js';
import type { DataType, Dimension, Value } from './value.js';

/** A value to check the gradient of, or to hold fixed. */
export interface Operand {
  readonly tensor: Tensor;
  /** Shape in the graph, with symbols; absent: the tensor's own. */
  readonly shape?: readonly Dimension[];
}

/**
 * The largest difference between the gradients of `differentiate` and central finite differences, relative to the largest
 * finite difference.
 *
 * The differentiated scalar is the sum of the result's elements times fixed weights, added up in float64. Float32 operands
 * are checked unless they are named in `fixed`.
 */
export async function gradientError(check: {
  readonly operands: Readonly<Record<string, Operand>>;
  readonly fixed?: readonly string[];
  readonly build: (graph: Graph, operand: (name: string) => Value) => Value;
  readonly resultShape: readonly number[];
  /** Half the distance of the two points of a difference. */
  readonly step?: number;
}): Promise<number> {
  const { operands, fixed = [], build, resultShape, step = 1e-2 } = check;
  const graph = new Graph();
  const values = new Map(
    Object.entries(operands).map(([name, { tensor, shape }]) => [
      name,
      graph.input(name, dataType(tensor), shape ?? tensor.dims),
    ]),
  );
  const operand = (name: string): Value => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`There is no operand ${name}.`);
    return value;
  };
  const result = build(graph, operand);
  const seed = graph.input('seed', 'float32', result.shape);
  const checked = Object.keys(operands).filter(
    (name) => operand(name).dtype === 'float32' && !fixed.includes(name),
  );
  const gradients = differentiate(graph, [{ value: result, gradient: seed }], checked.map(operand));
  graph.output('result', result);
  gradients.forEach((gradient, i) => {
    graph.output(
      gradientName(checked[i]),
      graph.compute({ ...gradient, op: 'Identity', inputs: [gradient] }),
    );
  });

  const weights = Float32Array.from({ length: resultShape.reduce((a, b) => a * b, 1) }, (_, i) =>
    Math.sin(3 * i + 1),
  );
  const tensors = Object.fromEntries(Object.entries(operands).map(([name, { tensor }]) => [name, tensor]));
  const feeds = { ...tensors, seed: floatTensor(weights, resultShape) };
  const session = await Session.load(graph, 1);
  try {
    const evaluate = async () => {
      const y = (await session.run(feeds)).floats('result');
      return y.reduce((sum, value, i) => sum + value * (weights[i] ?? Number.NaN), 0);
    };
    const outputs = await session.run(feeds);
    let worst = 0;
    let largest = 0;
    for (const name of checked) {
      const analytic = outputs.floats(gradientName(name));
      const data = operands[name]?.tensor.data;
      if (!(data instanceof Float32Array)) throw new Error(`${name} holds no floats.`);
      for (const [i, original] of data.entries()) {
        data[i] = original + step;
        const above = await evaluate();
        data[i] = original - step;
        const below = await evaluate();
        data[i] = original;
        const numeric = (above - below) / (2 * step);
        worst = Math.max(worst, Math.abs(numeric - (analytic[i] ?? Number.NaN)));
        largest = Math.max(largest, Math.abs(numeric));
      }
    }
    return worst / largest;
  } finally {
    await session.release();
  }
}

function gradientName(operand = ''): string {
  return `gradient of ${operand}`;
}

function dataType({ type }: Tensor): DataType {
  if (type === 'float32' || type === 'int64' || type === 'int32' || type === 'bool') return type;
  throw new Error(`Graphs have no element type ${type}.`);
}
