import type { Graph } from './graph.js';
import type { Node } from './node.js';
import { addAll } from './ops/add.js';
import { describeValue, sameShape, type Value } from './value.js';

/** The derivative of a scalar with respect to one value of the graph, from which differentiation starts. */
export interface Seed {
  readonly value: Value;
  /** Same shape as `value`. */
  readonly gradient: Value;
}

/**
 * Adds to the graph the gradients of the seeds' scalar with respect to `targets` (reverse mode), in the targets' order.
 *
 * Targets are independent variables: no gradient goes through one into another. Only nodes between the targets and the
 * seeds are differentiated; an operator there without a derivative is an error.
 */
export function differentiate(
  graph: Graph,
  seeds: readonly Seed[],
  targets: readonly Value[],
): readonly Value[] {
  const nodes = [...graph.nodes];
  const leaves = new Set(targets);
  const influenced = downstream(nodes, leaves);
  const gradients = new Map<Value, [Value, ...Value[]]>();
  const contribute = (value: Value, gradient: Value) => {
    if (!sameShape(value.shape, gradient.shape))
      throw new Error(`The gradient ${describeValue(gradient)} does not fit ${describeValue(value)}.`);
    gradients.set(value, [gradient, ...(gradients.get(value) ?? [])]);
  };
  const collect = (value: Value): Value | undefined => {
    const parts = gradients.get(value);
    if (parts === undefined) return undefined;
    const sum = addAll(graph, parts);
    gradients.set(value, [sum]);
    return sum;
  };

  for (const { value, gradient } of seeds) contribute(value, gradient);
  for (const node of nodes.reverse()) {
    if (!node.inputs.some((input) => input !== undefined && influenced.has(input))) continue;
    if (!node.outputs.some((output) => output && gradients.has(output) && !leaves.has(output))) continue;
    const { derivative } = node;
    if (derivative === undefined) throw new Error(`${node.op} has no derivative (node ${node.name}).`);
    graph.scope(gradientScope(node), () => {
      const outputs = node.outputs.map((output) =>
        output === undefined || leaves.has(output) ? undefined : collect(output),
      );
      const inputs = derivative({
        gradient: (index) => outputs[index],
        needs: (index) => isIn(influenced, node.inputs[index]),
      });
      inputs.forEach((gradient, index) => {
        const input = node.inputs[index];
        if (gradient !== undefined && input !== undefined && influenced.has(input))
          contribute(input, gradient);
      });
    });
  }
  return targets.map((target) => {
    const gradient = collect(target);
    if (gradient === undefined)
      throw new Error(`Nothing that is differentiated depends on ${describeValue(target)}.`);
    return gradient;
  });
}

/** The leaves and every value computed from them. */
function downstream(nodes: readonly Node[], leaves: ReadonlySet<Value>): ReadonlySet<Value> {
  const reached = new Set(leaves);
  for (const node of nodes)
    if (node.inputs.some((input) => isIn(reached, input)))
      for (const output of node.outputs) if (output !== undefined) reached.add(output);
  return reached;
}

function isIn(values: ReadonlySet<Value>, value: Value | undefined): boolean {
  return value !== undefined && values.has(value);
}

function gradientScope(node: Node): string {
  return ['gradient', ...node.name.split('/').slice(0, -1)].join('/');
}
