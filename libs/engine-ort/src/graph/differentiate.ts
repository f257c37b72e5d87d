import { Gradients } from './gradients.js';
import type { Graph, Segment } from './graph.js';
import type { Node } from './node.js';
import { after, allAfter } from './ops/after.js';
import { describeValue, type Value } from './value.js';

/** The derivative of a scalar with respect to one value of the graph, from which differentiation starts. */
export interface Seed {
  readonly value: Value;
  /** Same shape as `value`. */
  readonly gradient: Value;
}

/**
 * Adds to the graph the gradients of the seeds' scalar with respect to `targets` (reverse mode), in the targets' order.
 *
 * `sums` are inputs of the graph that the gradients of targets are added to, before anything earlier is differentiated.
 * Targets are independent variables: no gradient goes through one into another. Only nodes between the targets and the
 * seeds are differentiated; an operator there without a derivative is an error. Segments of the graph come one after the other,
 * and one that is not kept is computed again first.
 */
export function differentiate(
  graph: Graph,
  seeds: readonly Seed[],
  targets: readonly Value[],
  sums: ReadonlyMap<Value, Value> = new Map(),
): readonly Value[] {
  const leaves = new Set(targets);
  const influenced = new Set(targets);
  const gradients = new Gradients(graph, leaves, sums);
  for (const { value, gradient } of seeds) gradients.contribute(value, gradient);
  new Backward(graph, gradients, leaves, influenced).run([...graph.nodes], [...graph.segments]);
  return targets.map((target) => {
    const gradient = gradients.of(target);
    if (gradient === undefined)
      throw new Error(`Nothing that is differentiated depends on ${describeValue(target)}.`);
    return gradient;
  });
}

/** One pass from the seeds back to the targets. */
class Backward {
  constructor(
    private readonly graph: Graph,
    private readonly gradients: Gradients,
    private readonly leaves: ReadonlySet<Value>,
    /** The leaves and what is computed from them. */
    private readonly influenced: Set<Value>,
  ) {}

  run(nodes: readonly Node[], segments: readonly Segment[]): void {
    this.spread(nodes);
    const ending = new Map(segments.map((segment) => [segment.end - 1, segment]));
    for (let index = nodes.length - 1; index >= 0; index--) {
      const segment = ending.get(index);
      if (segment !== undefined && segment.memory !== 'kept') {
        this.repeat(segment);
        index = segment.begin;
        continue;
      }
      if (segment !== undefined) this.settle(segment);
      const node = nodes[index];
      if (node !== undefined) this.passNode(node);
    }
  }

  private spread(nodes: readonly Node[]): void {
    for (const node of nodes)
      if (node.inputs.some((input) => this.isInfluenced(input)))
        for (const output of node.outputs) if (output !== undefined) this.influenced.add(output);
  }

  private passNode(node: Node): void {
    const { gradients, graph } = this;
    if (!node.inputs.some((input) => this.isInfluenced(input))) return;
    const moved = node.outputs.map(
      (output) => output !== undefined && !this.leaves.has(output) && gradients.has(output),
    );
    if (!moved.includes(true)) return;
    const { derivative } = node;
    if (derivative === undefined) throw new Error(`${node.op} has no derivative (node ${node.name}).`);
    graph.scope(gradientScope(node), () => {
      const outputs = node.outputs.map((output, i) =>
        output && moved[i] ? gradients.of(output) : undefined,
      );
      const inputs = derivative({
        gradient: (index) => outputs[index],
        needs: (index) => this.isInfluenced(node.inputs[index]),
      });
      inputs.forEach((gradient, index) => {
        const input = node.inputs[index];
        if (gradient !== undefined && input !== undefined && this.isInfluenced(input))
          gradients.contribute(input, gradient);
      });
    });
  }

  /** Has the later gradients computed before those of this segment, so that what only they need is given up. */
  private settle({ output }: Segment): void {
    const gradient = this.gradients.of(output);
    if (gradient !== undefined)
      this.gradients.replace(output, after(this.graph, gradient, this.gradients.takeRecent()));
  }

  /** Computes a segment again from its input, and passes what was computed this time. */
  private repeat(segment: Segment): void {
    const { graph, gradients } = this;
    const gradient = gradients.of(segment.output);
    if (gradient === undefined) return;
    // Later gradients come first, or they and this segment's values would be in memory together.
    const earlier = [gradient, ...gradients.takeRecent()];
    const marked = segment.memory === 'partly' ? segment.marked : [];
    const [input = segment.input, ...found] = allAfter(graph, [segment.input, ...marked], earlier);
    if (this.isInfluenced(segment.input)) this.influenced.add(input);
    const begin = graph.nodes.length;
    const output = graph.scope('again', () => graph.repeat(segment, input, found));
    gradients.contribute(output, gradient);
    this.run(graph.nodes.slice(begin), []);
    const inputGradient = gradients.of(input);
    if (inputGradient !== undefined && this.isInfluenced(segment.input))
      gradients.contribute(segment.input, inputGradient);
  }

  private isInfluenced(value: Value | undefined): boolean {
    return value !== undefined && this.influenced.has(value);
  }
}

function gradientScope(node: Node): string {
  return ['gradient', ...node.name.split('/').slice(0, -1)].join('/');
}
