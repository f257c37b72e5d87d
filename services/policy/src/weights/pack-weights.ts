/** Writes a snapshot as the messages of PullWeights: whole, or what has changed since another. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { DataType, type PullWeightsResponse, type TensorChunk } from '@backsight/contract/policy';
import { bytesOfElements, elementBytes, type Elements, type SentTensor, type Snapshot } from './snapshot.js';

/** Elements in one message, at most; 1 or 2 MiB. */
const pieceElements = 2 ** 19;

/** Bytes that a gap takes at most times: those below 128 take one. */
const gapBytes = 1.25;

/** The messages, in order. `base` absent: the whole; it is of the same model and type. `weightsId` names the weights. */
export function* packWeights(
  snapshot: Snapshot,
  base?: Snapshot,
  weightsId = '',
): Generator<PullWeightsResponse, void, void> {
  const heading = { version: snapshot.version, baseVersion: base?.version };
  const hash = createHash('sha256');
  const none = { checksum: new Uint8Array(), weightsChecksum: new Uint8Array(), weightsId: '' };
  const dtype = snapshot.type === 'float32' ? DataType.FLOAT32 : DataType.BFLOAT16;
  for (const [index, tensor] of snapshot.tensors.entries()) {
    for (const piece of piecesOf(tensor, base?.tensors[index], elementBytes(snapshot.type))) {
      const data = bytesOfElements(piece.elements);
      hash.update(data);
      const { name, shape } = tensor;
      const chunk: TensorChunk = {
        name,
        dtype,
        shape: [...shape],
        offset: piece.offset,
        data,
        gaps: piece.gaps,
        crc32: crc32(data),
      };
      yield { ...heading, chunk, ...none };
    }
  }
  yield {
    ...heading,
    chunk: undefined,
    checksum: hash.digest(),
    weightsChecksum: snapshot.checksum,
    weightsId,
  };
}

interface Piece {
  readonly offset: number;
  readonly elements: Elements;
  /** Empty: side by side. */
  readonly gaps: readonly number[];
}

function* piecesOf(
  { elements }: SentTensor,
  base: SentTensor | undefined,
  bytesPerElement: number,
): Generator<Piece, void, void> {
  for (let begin = 0; begin < elements.length; begin += pieceElements) {
    const now = elements.subarray(begin, begin + pieceElements);
    if (base === undefined) yield { offset: begin, elements: now, gaps: [] };
    else {
      const piece = changesOf(now, base.elements.subarray(begin, begin + pieceElements), bytesPerElement);
      if (piece !== undefined) yield { ...piece, offset: begin + piece.offset };
    }
  }
}

/** What has changed, scattered or as one stretch, whichever is smaller; nothing if nothing has. */
function changesOf(now: Elements, before: Elements, bytesPerElement: number): Piece | undefined {
  if (Buffer.compare(bytesOfElements(now), bytesOfElements(before)) === 0) return undefined;
  const changed: number[] = [];
  for (let i = 0; i < now.length; i++) if (now[i] !== before[i]) changed.push(i);
  const first = changed[0] ?? 0;
  const stretch = now.subarray(first, (changed.at(-1) ?? first) + 1);
  if (changed.length * (bytesPerElement + gapBytes) >= stretch.byteLength)
    return { offset: first, elements: stretch, gaps: [] };
  const scattered = now.slice(0, changed.length);
  changed.forEach((position, i) => {
    scattered[i] = now[position] ?? 0;
  });
  return {
    offset: first,
    elements: scattered,
    gaps: changed.map((position, i) => position - (changed[i - 1] ?? first)),
  };
}
