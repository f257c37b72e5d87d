import type { Graph } from './graph.js';
import { add, addAll } from './ops/add.js';
import { describeValue, sameShape, type Value } from './value.js';

/** The gradients found so far: a value that is used more than once collects one from each use. */
export class Gradients {
  private readonly parts = new Map<Value, [Value, ...Value[]]>();
  private recent: Value[] = [];

  constructor(
    private readonly graph: Graph,
    /** Values whose gradients stay in memory until the graph ends. */
    private readonly wanted: ReadonlySet<Value>,
    /** What the gradients of wanted values are added to. */
    private readonly sums: ReadonlyMap<Value, Value>,
  ) {}

  has(value: Value): boolean {
    return this.parts.has(value);
  }

  contribute(value: Value, gradient: Value): void {
    if (!sameShape(value.shape, gradient.shape))
      throw new Error(`The gradient ${describeValue(gradient)} does not fit ${describeValue(value)}.`);
    if (this.wanted.has(value)) this.addAtOnce(value, gradient);
    else this.parts.set(value, [gradient, ...(this.parts.get(value) ?? [])]);
  }

  /** Leaves nothing in memory beside the sum. */
  private addAtOnce(value: Value, gradient: Value): void {
    const before = this.parts.get(value)?.[0] ?? this.sums.get(value);
    const sum = before === undefined ? gradient : add(this.graph, gradient, before);
    this.parts.set(value, [sum]);
    this.recent.push(sum);
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
