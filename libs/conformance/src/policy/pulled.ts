/** Weights pulled over the wire: pieces put in their places, and every checksum proven. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { DataType, type PullWeightsRequest, type TensorChunk } from '@backsight/contract/policy';
import { expectSet, expectThat } from '../suite/check.js';
import type { PolicySubject } from './subject.js';

/** Weights of one version, little-endian, as they were sent. */
export interface Pulled {
  readonly version: number;
  readonly baseVersion: number | undefined;
  /** Elements of each tensor, in the order of the stream. */
  readonly tensors: ReadonlyMap<string, PulledTensor>;
  /** SHA-256 over all elements, as told by the policy and proven here. */
  readonly checksum: Uint8Array;
  /** What the policy calls them; empty when it gives no names. */
  readonly weightsId: string;
  /** Messages that carried a piece. */
  readonly pieces: number;
}

export interface PulledTensor {
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export type PulledType = 'float32' | 'bfloat16';

const widths = { float32: 4, bfloat16: 2 } as const;
const dataTypes = { float32: DataType.FLOAT32, bfloat16: DataType.BFLOAT16 } as const;

/** The last message. */
interface Ending {
  readonly version: number;
  readonly baseVersion: number | undefined;
  readonly checksum: Uint8Array;
  readonly whole: Uint8Array;
  readonly weightsId: string;
}

/** Pulls the whole, or a delta onto `base`, and proves it. */
export async function pull(
  { client, signal }: PolicySubject,
  type: PulledType,
  base?: Pulled,
): Promise<Pulled> {
  const request: Partial<PullWeightsRequest> = {
    dtype: dataTypes[type],
    ...(base && { baseVersion: base.version, baseChecksum: base.checksum }),
  };
  const tensors = new Map([...(base?.tensors ?? [])].map(([name, tensor]) => [name, copied(tensor)]));
  const sent = createHash('sha256');
  const seen = new Set<string>();
  let last = '';
  let pieces = 0;
  let end: Ending | undefined;
  for await (const message of client.pullWeights(request, { signal })) {
    expectThat(end === undefined, 'PullWeights goes on after the message that carries the checksums');
    const { version, baseVersion, chunk, checksum, weightsChecksum, weightsId } = message;
    if (chunk === undefined) {
      end = { version, baseVersion, checksum, whole: weightsChecksum, weightsId };
      continue;
    }
    pieces += 1;
    expectThat(
      Buffer.compare(Buffer.from(chunk.name), Buffer.from(last)) >= 0,
      `tensor ${chunk.name} comes after ${last}; tensors come by name`,
    );
    last = chunk.name;
    if (base === undefined && !seen.has(chunk.name)) tensors.set(chunk.name, fresh(chunk, type));
    seen.add(chunk.name);
    place(
      expectSet(tensors.get(chunk.name), `a delta has a tensor ${chunk.name} that the whole has not`),
      chunk,
      type,
    );
    sent.update(chunk.data);
  }
  const told = expectSet(end, 'PullWeights ends without its checksums');
  expectThat(same(sent.digest(), told.checksum), 'checksum is not the SHA-256 of the data that was sent');
  const all = createHash('sha256');
  for (const { bytes } of tensors.values()) all.update(bytes);
  expectThat(
    same(all.digest(), told.whole),
    base === undefined
      ? 'weights_checksum is not the SHA-256 of all elements'
      : 'the delta does not lead to the weights that weights_checksum names',
  );
  expectThat(
    told.baseVersion === base?.version,
    `base_version is ${told.baseVersion ?? 'unset'}, asked for ${base?.version ?? 'the whole'}`,
  );
  const { version, baseVersion, whole, weightsId } = told;
  return { version, baseVersion, tensors, checksum: whole, weightsId, pieces };
}

/** A float32 tensor's elements. */
export function floatsOf({ bytes }: PulledTensor): Float32Array {
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

/** float32 elements rounded to bfloat16, to nearest even, as bytes. */
export function narrowed(tensor: PulledTensor): Uint8Array {
  const bits = new Uint32Array(Uint8Array.from(tensor.bytes).buffer);
  const narrow = Uint16Array.from(bits, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16);
  return new Uint8Array(narrow.buffer);
}

export const same = (left: Uint8Array, right: Uint8Array): boolean => Buffer.compare(left, right) === 0;

const copied = ({ shape, bytes }: PulledTensor): PulledTensor => ({ shape, bytes: Uint8Array.from(bytes) });

function fresh({ shape }: TensorChunk, type: PulledType): PulledTensor {
  const elements = shape.reduce((product, size) => product * size, 1);
  return { shape, bytes: new Uint8Array(elements * widths[type]) };
}

function place({ shape, bytes }: PulledTensor, chunk: TensorChunk, type: PulledType): void {
  const { name, offset, data, gaps } = chunk;
  const width = widths[type];
  expectThat(chunk.dtype === dataTypes[type], `tensor ${name} comes as ${chunk.dtype}, asked for ${type}`);
  expectThat(
    chunk.shape.join() === shape.join(),
    `tensor ${name} comes with shape [${chunk.shape.join(', ')}]`,
  );
  expectThat(
    crc32(data) === chunk.crc32,
    `the piece of ${name} at element ${offset} does not have its CRC-32`,
  );
  const elements = data.length / width;
  expectThat(
    Number.isInteger(elements) && (gaps.length === 0 || gaps.length === elements),
    `a piece of ${name} has ${data.length} bytes and ${gaps.length} gaps`,
  );
  let position = offset;
  for (let index = 0; index < elements; index += 1) {
    position = gaps.length === 0 ? offset + index : position + (gaps[index] ?? 0);
    const begin = position * width;
    expectThat(
      begin + width <= bytes.length,
      `a piece of ${name} ends beyond its ${bytes.length / width} elements`,
    );
    bytes.set(data.subarray(index * width, (index + 1) * width), begin);
    if (gaps.length === 0) {
      // Side by side: the rest in one go.
      expectThat(
        begin + data.length <= bytes.length,
        `a piece of ${name} ends beyond its ${bytes.length / width} elements`,
      );
      bytes.set(data, begin);
      return;
    }
  }
}
