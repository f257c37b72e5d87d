/** Element types of the values that our graphs pass around. */
export type DataType = 'float32' | 'int64' | 'int32' | 'bool';

/** A length known when the graph is built, or the symbol of one known when it runs, for example `B` or `B*T`. */
export type Dimension = number | string;

/** A tensor that a graph reads, holds or computes. */
export interface Value {
  /** Unique in its graph. */
  readonly name: string;
  readonly dtype: DataType;
  /** The rank is always known; equal symbols are equal lengths. */
  readonly shape: readonly Dimension[];
}

/** A tensor written into the model. */
export interface Constant {
  readonly value: Value;
  /** Row-major and little-endian. */
  readonly data: Float32Array | BigInt64Array | Int32Array;
}

/** The dimension of `value` at `axis`, which may count from the end. */
export function dimension(value: Value, axis: number): Dimension {
  const at = value.shape[axis < 0 ? value.shape.length + axis : axis];
  if (at === undefined) throw new RangeError(`${describeValue(value)} has no axis ${axis}.`);
  return at;
}

/** The length of `value` at `axis`, which must be known when the graph is built. */
export function staticDimension(value: Value, axis: number): number {
  const length = dimension(value, axis);
  if (typeof length === 'number') return length;
  throw new RangeError(`${describeValue(value)} has a symbolic axis ${axis} where a known length is needed.`);
}

/** `axis` counted from the start. */
export function positiveAxis(axis: number, rank: number): number {
  const positive = axis < 0 ? rank + axis : axis;
  if (positive < 0 || positive >= rank) throw new RangeError(`There is no axis ${axis} in rank ${rank}.`);
  return positive;
}

/** Product of two dimensions; of symbols, the symbol of their product. */
export function product(left: Dimension, right: Dimension): Dimension {
  if (typeof left === 'number' && typeof right === 'number') return left * right;
  if (left === 1) return right;
  if (right === 1) return left;
  return `${left}*${right}`;
}

/** Whether two shapes are known to be equal. */
export function sameShape(left: readonly Dimension[], right: readonly Dimension[]): boolean {
  return left.length === right.length && left.every((length, axis) => length === right[axis]);
}

/** A value for messages: its name and shape. */
export function describeValue({ name, shape }: Value): string {
  return `${name}[${shape.join(', ')}]`;
}
