/** Reads the messages of PullWeights into tensors, and proves what they led to. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { DataType, type PullWeightsResponse, type TensorChunk } from '@backsight/contract/policy';
import { checksumOf, elementBytes, type Elements, type SentTensor, type SentType } from './snapshot.js';

/** What was sent is not what it should be; nothing of it may be used. */
export class BrokenWeightsError extends Error {
  override readonly name = 'BrokenWeightsError';
}

/** Weights that were received whole. */
export interface ReceivedWeights {
  readonly version: number;
  /** Proven: SHA-256 over all elements. */
  readonly checksum: Buffer;
  /** Of elements that were sent; a delta from the current version sends none. */
  readonly bytes: number;
  /** What the trainer calls them; empty when it gives no names. */
  readonly weightsId: string;
}

/**
 * Writes the stream into `tensors`: zeros for the whole, the base's for a delta, with what its checksum was. On an error the
 * tensors are of no use any more. Throws `BrokenWeightsError` naming the tensor whose piece is broken, is of another model or is missing.
 */
export async function receiveWeights(
  stream: AsyncIterable<PullWeightsResponse>,
  tensors: readonly SentTensor[],
  type: SentType,
  baseChecksum?: Buffer,
): Promise<ReceivedWeights> {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const written = new Map<string, number>();
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const { version, baseVersion, chunk, checksum, weightsChecksum, weightsId } of stream) {
    if (chunk === undefined) {
      if (baseVersion === undefined) requireWhole(tensors, written);
      if (hash.digest().compare(checksum) !== 0)
        throw new BrokenWeightsError('the stream does not have its checksum');
      const proven = bytes === 0 && baseChecksum !== undefined ? baseChecksum : await checksumOf(tensors);
      if (proven.compare(weightsChecksum) !== 0)
        throw new BrokenWeightsError(`the weights do not have the checksum of version ${version}`);
      return { version, checksum: proven, bytes, weightsId };
    }
    const tensor = byName.get(chunk.name);
    if (tensor === undefined) throw new BrokenWeightsError(`"${chunk.name}" is not a tensor of this model`);
    writePiece(tensor, chunk, type);
    hash.update(chunk.data);
    bytes += chunk.data.length;
    written.set(chunk.name, (written.get(chunk.name) ?? 0) + chunk.data.length / elementBytes(type));
  }
  throw new BrokenWeightsError('the stream ended before its checksum');
}

function writePiece(tensor: SentTensor, chunk: TensorChunk, type: SentType): void {
  const fail = (problem: string) => new BrokenWeightsError(`tensor "${chunk.name}": ${problem}`);
  const { shape, elements } = tensor;
  if (chunk.shape.length !== shape.length || shape.some((size, i) => size !== chunk.shape[i]))
    throw fail(`expected shape [${shape.join(', ')}], found [${chunk.shape.join(', ')}]`);
  if (chunk.dtype !== (type === 'float32' ? DataType.FLOAT32 : DataType.BFLOAT16))
    throw fail(`asked for ${type}, found ${chunk.dtype}`);
  if (crc32(chunk.data) !== chunk.crc32)
    throw fail(`the piece at element ${chunk.offset} does not have its checksum`);
  const piece = elementsOf(chunk.data, type);
  const { gaps, offset } = chunk;
  if (gaps.length !== 0 && gaps.length !== piece.length) throw fail('has more gaps than elements, or fewer');
  const end = gaps.length === 0 ? offset + piece.length : gaps.reduce((sum, gap) => sum + gap, offset) + 1;
  if (end > elements.length) throw fail(`a piece ends at element ${end} of ${elements.length}`);
  if (gaps.length === 0) elements.set(piece, offset);
  else {
    let position = offset;
    gaps.forEach((gap, i) => {
      position += gap;
      elements[position] = piece[i] ?? 0;
    });
  }
}

/** The elements of a message, in memory of their own that is aligned. */
function elementsOf(data: Uint8Array, type: SentType): Elements {
  const bytes = Uint8Array.from(data);
  const length = Math.floor(bytes.length / elementBytes(type));
  return type === 'float32'
    ? new Uint32Array(bytes.buffer, 0, length)
    : new Uint16Array(bytes.buffer, 0, length);
}

function requireWhole(tensors: readonly SentTensor[], written: ReadonlyMap<string, number>): void {
  for (const { name, elements } of tensors) {
    const count = written.get(name) ?? 0;
    if (count !== elements.length)
      throw new BrokenWeightsError(`tensor "${name}": ${count} of ${elements.length} elements were sent`);
  }
}
