import type { Graph } from './graph.js';
import { addAll } from './ops/add.js';
import { describeValue, sameShape, type Value } from './value.js';

/** The gradients found so far: a value that is used more than once collects one from each use. */
export class Gradients {
  private readonly parts = new Map<Value, [Value, ...Value[]]>();
  private recent: Value[] = [];

  constructor(
    private readonly graph: Graph,
    /** Values whose gradients stay in memory until the graph ends. */
    private readonly wanted: ReadonlySet<Value>,
  ) {}

  has(value: Value): boolean {
    return this.parts.has(value);
  }

  contribute(value: Value, gradient: Value): void {
    if (!sameShape(value.shape, gradient.shape))
      throw new Error(`The gradient ${describeValue(gradient)} does not fit ${describeValue(value)}.`);
    this.parts.set(value, [gradient, ...(this.parts.get(value) ?? [])]);
    if (this.wanted.has(value)) this.recent.push(gradient);
  }

  /** The sum of what was contributed; `undefined` for a value without. */
  of(value: Value): Value | undefined {
    const parts = this.parts.get(value);
    if (parts === undefined) return undefined;
    const sum = addAll(this.graph, parts);
    this.parts.set(value, [sum]);
    return sum;
  }

  replace(value: Value, gradient: Value): void {
    this.parts.set(value, [gradient]);
  }

  /** What was contributed to wanted gradients since the last call. */
  takeRecent(): readonly Value[] {
    const taken = this.recent;
    this.recent = [];
    return taken;
  }
}
