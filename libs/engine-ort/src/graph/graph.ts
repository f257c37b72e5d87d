import type { Attributes, Derivative, Domain, Node } from './node.js';
import { describeValue, type Constant, type DataType, type Dimension, type Value } from './value.js';

/** What a node computes, before the graph names it. */
export interface NodeSpec {
  readonly op: string;
  /** Absent: ONNX itself. */
  readonly domain?: Domain;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes?: Attributes;
  /** `undefined` leaves an optional output out. */
  readonly outputs: readonly (ValueSpec | undefined)[];
  readonly derivative?: Derivative;
}

/** Type and shape of a value, before the graph names it. */
export interface ValueSpec {
  readonly dtype: DataType;
  readonly shape: readonly Dimension[];
}

/** Nodes from one matrix to another, which are differentiated together, after all that comes after them. */
export interface Segment {
  readonly input: Value;
  readonly output: Value;
  /** Index of its first node, and of the first node after it. */
  readonly begin: number;
  readonly end: number;
  readonly build: (input: Value) => Value;
  readonly memory: SegmentMemory;
  /** What was marked by `retain`, in order. */
  readonly marked: readonly Value[];
}

/**
 * Whether differentiation finds the inner values of a segment in memory or computes them again: less memory, more time.
 *
 * `partly`: it finds those marked by `retain`, and computes the rest again from them.
 */
export type SegmentMemory = 'kept' | 'partly' | 'recomputed';

/**
 * A graph under construction: nodes in an order in which they can run, each value computed once under a unique name.
 *
 * The functions of `ops/` add nodes; `differentiate` adds the nodes of gradients; `modelBytes` writes the result.
 */
export class Graph {
  readonly inputs: Value[] = [];
  readonly constants: Constant[] = [];
  readonly nodes: Node[] = [];
  readonly outputs = new Map<string, Value>();
  readonly segments: Segment[] = [];
  private readonly names = new Set<string>();
  private readonly scopes: string[] = [];
  private readonly constantsByContent = new Map<string, Value>();
  private readonly symbols = new Map<string, { readonly input: Value; readonly axis: number }>();
  private readonly lengths = new Map<string, Value>();
  private marked: Value[] = [];
  private found: Value[] = [];

  /** A value that is fed at each run. Its symbols become known to `length`. */
  input(name: string, dtype: DataType, shape: readonly Dimension[]): Value {
    const value = { name: this.claim(name), dtype, shape };
    this.inputs.push(value);
    shape.forEach((symbol, axis) => {
      if (typeof symbol === 'string' && !this.symbols.has(symbol))
        this.symbols.set(symbol, { input: value, axis });
    });
    return value;
  }

  /** A value written into the model; equal constants are one. */
  constant(data: Constant['data'], shape: readonly number[]): Value {
    const dtype = data instanceof Float32Array ? 'float32' : data instanceof Int32Array ? 'int32' : 'int64';
    const content = `${dtype}[${shape.join(',')}]:${data.join(',')}`;
    const known = this.constantsByContent.get(content);
    if (known !== undefined) return known;
    const value: Value = { name: this.claim('constant'), dtype, shape };
    this.constants.push({ value, data });
    this.constantsByContent.set(content, value);
    return value;
  }

  /** A float32 scalar. Shape []. */
  scalar(value: number): Value {
    return this.constant(Float32Array.of(value), []);
  }

  /** Integers for shapes and axes. Shape [n], int64. */
  integers(...values: readonly number[]): Value {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length]);
  }

  /** Adds a node and returns its outputs, those left out excluded. */
  add(spec: NodeSpec): readonly Value[] {
    const name = this.claim([...this.scopes, spec.op].join('/'));
    const outputs = spec.outputs.map((output, i) =>
      output === undefined ? undefined : { ...output, name: i === 0 ? name : this.claim(`${name}.${i}`) },
    );
    const { op, domain = '', inputs, attributes = {}, derivative } = spec;
    this.nodes.push({ name, op, domain, inputs, outputs, attributes, ...(derivative && { derivative }) });
    return outputs.filter((output) => output !== undefined);
  }

  /** Adds a node with one output and returns it. */
  compute(spec: Omit<NodeSpec, 'outputs'> & ValueSpec): Value {
    const { dtype, shape, ...node } = spec;
    const [value] = this.add({ ...node, outputs: [{ dtype, shape }] });
    if (value === undefined) throw new Error(`${spec.op} has no output.`);
    return value;
  }

  /** Makes a computed value readable after a run under `name`; a value has at most one such name. */
  output(name: string, value: Value): void {
    if (this.inputs.includes(value) || this.constants.some((constant) => constant.value === value))
      throw new Error(`Output ${name} would be ${describeValue(value)}, which no node computes.`);
    for (const [other, taken] of this.outputs)
      if (taken === value) throw new Error(`Outputs ${other} and ${name} are both ${describeValue(value)}.`);
    this.outputs.set(this.claim(name), value);
  }

  /** Prefixes the names of what `build` adds. */
  scope<T>(name: string, build: () => T): T {
    this.scopes.push(name);
    try {
      return build();
    } finally {
      this.scopes.pop();
    }
  }

  /**
   * Adds what `build` computes from a matrix as a segment.
   *
   * Nothing else may read what it computes inside, and nothing that is differentiated may enter it but the matrix and inputs
   * of the graph.
   */
  segment(memory: SegmentMemory, input: Value, build: (input: Value) => Value): Value {
    const begin = this.nodes.length;
    this.marked = [];
    const output = build(input);
    this.segments.push({ input, output, begin, end: this.nodes.length, build, memory, marked: this.marked });
    return output;
  }

  /** Marks a matrix as dear to compute for what it holds, which is worth keeping where a segment is kept partly. */
  retain(matrix: Value): Value {
    const found = this.found.shift();
    if (found === undefined) {
      this.marked.push(matrix);
      return matrix;
    }
    const derivative: Derivative = ({ gradient }) => [gradient(0)];
    const name = this.claim([...this.scopes, 'found'].join('/'));
    const edge = { name, op: 'Identity', domain: '', inputs: [matrix], outputs: [found] } as const;
    this.nodes.push({ ...edge, attributes: {}, derivative, isWritten: false });
    return found;
  }

  /** Adds a segment once more; what it marked before is `found`, in order, in place of what would be computed this time. */
  repeat({ build }: Segment, input: Value, found: readonly Value[]): Value {
    this.found = [...found];
    return build(input);
  }

  /** The length that the symbol of an input's shape has at a run, or a sum of products of such symbols. Shape [1], int64. */
  length(symbol: string): Value {
    const known = this.lengths.get(symbol);
    if (known !== undefined) return known;
    const length = this.symbols.has(symbol) ? this.inputLength(symbol) : this.lengthOfSum(symbol);
    this.lengths.set(symbol, length);
    return length;
  }

  /** Makes a length that the graph computes known by a symbol of its own. `length` has shape [1], int64. */
  define(symbol: string, length: Value): void {
    if (this.hasSymbol(symbol)) throw new Error(`The length ${symbol} is known already.`);
    this.lengths.set(symbol, length);
  }

  /** Whether an input has the dimension. */
  hasSymbol(symbol: string): boolean {
    return this.symbols.has(symbol);
  }

  private factorLength(symbol: string): Value {
    return this.lengths.get(symbol) ?? this.inputLength(symbol);
  }

  private inputLength(symbol: string): Value {
    const source = this.symbols.get(symbol);
    if (source === undefined) throw new Error(`No input of the graph has the dimension ${symbol}.`);
    return this.compute({
      op: 'Shape',
      inputs: [source.input],
      attributes: {
        start: { kind: 'int', value: source.axis },
        end: { kind: 'int', value: source.axis + 1 },
      },
      dtype: 'int64',
      shape: [1],
    });
  }

  private lengthOfSum(symbol: string): Value {
    const combine = (op: 'Add' | 'Mul', [first, ...rest]: readonly Value[]): Value => {
      if (first === undefined) throw new Error(`No input of the graph has the dimension ${symbol}.`);
      return rest.reduce(
        (left, right) => this.compute({ op, inputs: [left, right], dtype: 'int64', shape: [1] }),
        first,
      );
    };
    const factor = (name: string) =>
      /^\d+$/.test(name) ? this.integers(Number(name)) : this.factorLength(name);
    return combine(
      'Add',
      symbol.split('+').map((term) => combine('Mul', term.split('*').map(factor))),
    );
  }

  private claim(wanted: string): string {
    let name = wanted;
    for (let n = 1; this.names.has(name); n++) name = `${wanted}_${n}`;
    this.names.add(name);
    return name;
  }
}
