/** A policy's weights of one version in the type they are sent in, with the checksum that proves them. */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import {
  bytesOf,
  elementCount,
  narrowToBfloat16,
  widenBfloat16,
  WeightSet,
  type TensorTable,
} from '@backsight/engine';

/** The types that weights are sent in. */
export type SentType = 'float32' | 'bfloat16';

/** The elements of a tensor as bit patterns. */
export type Elements = Uint32Array | Uint16Array;

/** One tensor of a snapshot. */
export interface SentTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly elements: Elements;
}

/** Weights that do not change any more. */
export interface Snapshot {
  readonly version: number;
  readonly type: SentType;
  /** By name, in the order of code points. */
  readonly tensors: readonly SentTensor[];
  /** SHA-256 over the elements of all tensors, in order. */
  readonly checksum: Buffer;
}

/** Takes over the memory of `weights`, which the caller gives up. */
export async function snapshotOf(version: number, weights: WeightSet, type: SentType): Promise<Snapshot> {
  const tensors: SentTensor[] = [];
  for (const { name, shape, values } of [...weights.tensors.values()].sort(byName)) {
    tensors.push({ name, shape, elements: elementsOf(values, type) });
    await setImmediate(); // others have the thread between tensors
  }
  return { version, type, tensors, checksum: await checksumOf(tensors) };
}

/** Tensors of zeros to receive weights into. */
export function emptyTensors(table: TensorTable, type: SentType): readonly SentTensor[] {
  return [...table]
    .map(([name, shape]) => ({ name, shape, elements: zeros(elementCount(shape), type) }))
    .sort(byName);
}

/** The weights that the tensors say, as float32. */
export async function weightsOf(tensors: readonly SentTensor[], table: TensorTable): Promise<WeightSet> {
  const weights = new WeightSet(table);
  for (const { name, elements } of tensors) {
    const { values } = weights.tensor(name);
    if (elements instanceof Uint16Array) widenBfloat16(elements, values);
    else bytesOf(values).set(bytesOfElements(elements));
    await setImmediate();
  }
  return weights;
}

/** SHA-256 over the elements of all tensors, in order. */
export async function checksumOf(tensors: readonly SentTensor[]): Promise<Buffer> {
  const hash = createHash('sha256');
  for (const { elements } of tensors)
    for (let begin = 0; begin < elements.length; begin += pieceElements) {
      hash.update(bytesOfElements(elements.subarray(begin, begin + pieceElements)));
      await setImmediate();
    }
  return hash.digest();
}

/** The bytes of elements, sharing their memory; little-endian, as on every platform the engines run on. */
export function bytesOfElements(elements: Elements): Uint8Array {
  return new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
}

/** Bytes of one element. */
export function elementBytes(type: SentType): number {
  return type === 'float32' ? 4 : 2;
}

const pieceElements = 2 ** 22;

function elementsOf(values: Float32Array, type: SentType): Elements {
  if (type === 'float32') return new Uint32Array(values.buffer, values.byteOffset, values.length);
  const narrow = new Uint16Array(values.length);
  narrowToBfloat16(values, narrow);
  return narrow;
}

function zeros(length: number, type: SentType): Elements {
  return type === 'float32' ? new Uint32Array(length) : new Uint16Array(length);
}

/** Code points and not a language's order: every engine must agree. */
function byName(left: { readonly name: string }, right: { readonly name: string }): number {
  return Buffer.compare(Buffer.from(left.name), Buffer.from(right.name));
}
