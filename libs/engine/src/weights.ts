/** Tensor names and their shapes, in storage order. */
export type TensorTable = ReadonlyMap<string, readonly number[]>;

/** A named tensor over memory that its weight set owns. */
export interface TensorView {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major; writing here writes the weight set. */
  readonly values: Float32Array;
}

/**
 * All weights of a model in one flat float32 array, with a named view per tensor.
 *
 * One array makes copies, norms, AdamW and EMA single loops, while an engine feeds the views without copying.
 */
export class WeightSet {
  readonly tensors: ReadonlyMap<string, TensorView>;
  readonly flat: Float32Array;

  /** Lays the tensors of `table` one after the other over `flat`, or over zeros. */
  constructor(
    readonly table: TensorTable,
    flat?: Float32Array,
  ) {
    const total = totalElements(table);
    this.flat = flat ?? new Float32Array(total);
    if (this.flat.length !== total)
      throw new RangeError(`The table holds ${total} elements, the array ${this.flat.length}.`);
    const tensors = new Map<string, TensorView>();
    let begin = 0;
    for (const [name, shape] of table) {
      const end = begin + elementCount(shape);
      tensors.set(name, { name, shape, values: this.flat.subarray(begin, end) });
      begin = end;
    }
    this.tensors = tensors;
  }

  /** The view of one tensor; throws for a name that is not in the table. */
  tensor(name: string): TensorView {
    const view = this.tensors.get(name);
    if (view === undefined) throw new RangeError(`There is no tensor "${name}".`);
    return view;
  }

  /** A copy that shares no memory. */
  clone(): WeightSet {
    return new WeightSet(this.table, this.flat.slice());
  }

  /** Overwrites these weights by those of a set with the same table. */
  copyFrom(source: WeightSet): void {
    if (source.flat.length !== this.flat.length) throw new RangeError('The weight sets differ in size.');
    this.flat.set(source.flat);
  }

  /** Whether names, shapes and every bit agree. */
  equals(other: WeightSet): boolean {
    return (
      sameTable(this.table, other.table) && Buffer.compare(bytesOf(this.flat), bytesOf(other.flat)) === 0
    );
  }
}

/** Product of the dimensions; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Elements of all tensors together. */
export function totalElements(table: TensorTable): number {
  let total = 0;
  for (const shape of table.values()) total += elementCount(shape);
  return total;
}

/** The bytes of a float array, sharing its memory. */
export function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function sameTable(left: TensorTable, right: TensorTable): boolean {
  if (left === right) return true;
  const describe = (table: TensorTable) => JSON.stringify([...table]);
  return describe(left) === describe(right);
}

/** What keeps weights of one table from being taken for weights of another: the first tensor that differs; or nothing. */
export function tableDifference(expected: TensorTable, found: TensorTable): string | undefined {
  for (const [name, shape] of expected) {
    const other = found.get(name);
    if (other === undefined) return `tensor "${name}" is missing`;
    if (shape.length !== other.length || shape.some((size, i) => size !== other[i]))
      return `tensor "${name}": expected shape [${shape.join(', ')}], found [${other.join(', ')}]`;
  }
  const foreign = [...found.keys()].find((name) => !expected.has(name));
  return foreign === undefined ? undefined : `"${foreign}" is not a tensor of this model`;
}
