/**
 * The support: over which outcomes student and teacher are compared.
 *
 * A vocabulary is too wide to keep two distributions per token, so the comparison is cut to the student's K likeliest tokens.
 * The rest then becomes one bucket, the tail (arXiv 2601.20802, Eq. 11), or is forgotten and both sides are renormalised.
 * Without either, a truncated divergence can be negative.
 */

import { type Bucket } from './divergence.js';
import { logOneMinusExp, logSumExp } from './log-space.js';
import { type Support } from './objective.js';

/** Two next-token distributions cut to a support. */
export interface SupportedPair {
  /** The outcomes that are compared; they sum to 1 on either side. */
  readonly buckets: readonly Bucket[];
  /** How each token of the vocabulary moves the buckets. Shape [V]. */
  readonly tokens: readonly TokenShare[];
}

/** A token's part in the student's side of the buckets. */
export interface TokenShare {
  /** Index into `buckets`; absent when the token moves none. */
  readonly bucket?: number;
  /** Share of the bucket's probability that is this token's, in [0, 1]; 1 for a token that is compared by itself. */
  readonly share: number;
  /** Probability of the token in the distribution that the buckets are made of; 0 when it is outside. */
  readonly probability: number;
}

/** Cuts both distributions to the support. `student` and `teacher` are logprobs over the vocabulary. Shape [V]. */
export function applySupport(
  support: Support,
  student: readonly number[],
  teacher: readonly number[],
): SupportedPair {
  const vocabulary = pairUp(student, teacher);
  switch (support.kind) {
    case 'full':
      return { buckets: vocabulary, tokens: vocabulary.map(ownBucket) };
    case 'top-k-tail':
      return withTail(vocabulary, topIds(student, support.k));
    case 'top-k-renormalised':
      return renormalised(vocabulary, topIds(student, support.k));
  }
}

/**
 * The gradient by the student's logits of a function of the buckets, from its slopes by their student logprobs. Shape [V].
 *
 * A softmax has d log p_u / dz_v = [u=v] - p_v. So a token feels its share of its bucket's slope, less its probability times
 * the sum of all slopes; and no derivative of the divergence is ever taken through a graph.
 */
export function pullBack(pair: SupportedPair, slopeOf: (bucket: Bucket) => number): readonly number[] {
  const slopes = pair.buckets.map(slopeOf);
  const own = pair.tokens.map(({ bucket, share }) =>
    bucket === undefined ? 0 : share * (slopes[bucket] ?? 0),
  );
  const sum = own.reduce((total, slope) => total + slope, 0);
  return own.map((slope, id) => slope - (pair.tokens[id]?.probability ?? 0) * sum);
}

/** Ids of the k largest values, largest first; the lower id wins a tie. */
export function topIds(values: readonly number[], k: number): readonly number[] {
  return values
    .map((value, id) => ({ value, id }))
    .sort((a, b) => b.value - a.value || a.id - b.id)
    .slice(0, k)
    .map(({ id }) => id);
}

/** The head's logprob is held at or below this, so that the tail keeps a finite logprob when K reaches the vocabulary. */
const largestHead = -1e-7;

function withTail(vocabulary: readonly Bucket[], ids: readonly number[]): SupportedPair {
  const head = select(vocabulary, ids);
  const mass = total(head);
  const tail = { student: remainder(mass.student), teacher: remainder(mass.teacher) };
  const bucketOf = bucketIndex(ids);
  return {
    buckets: [...head, tail],
    tokens: vocabulary.map((token, id) => {
      const bucket = bucketOf.get(id);
      if (bucket !== undefined) return ownBucket(token, bucket);
      const probability = Math.exp(token.student);
      // A clamped tail is a constant: its tokens move nothing but the normaliser.
      if (mass.student > largestHead) return { share: 0, probability };
      return { bucket: head.length, share: Math.exp(token.student - tail.student), probability };
    }),
  };
}

function renormalised(vocabulary: readonly Bucket[], ids: readonly number[]): SupportedPair {
  const head = select(vocabulary, ids);
  const mass = total(head);
  const bucketOf = bucketIndex(ids);
  const renormalise = ({ student, teacher }: Bucket) => ({
    student: student - mass.student,
    teacher: teacher - mass.teacher,
  });
  return {
    buckets: head.map(renormalise),
    tokens: vocabulary.map((token, id) => {
      const bucket = bucketOf.get(id);
      return bucket === undefined ? { share: 0, probability: 0 } : ownBucket(renormalise(token), bucket);
    }),
  };
}

/** A token that is a bucket by itself. */
function ownBucket({ student }: Bucket, bucket: number): TokenShare {
  return { bucket, share: 1, probability: Math.exp(student) };
}

function total(buckets: readonly Bucket[]): Bucket {
  return {
    student: logSumExp(buckets.map(({ student }) => student)),
    teacher: logSumExp(buckets.map(({ teacher }) => teacher)),
  };
}

/** The logprob of all that the head leaves over. */
function remainder(head: number): number {
  return logOneMinusExp(Math.min(head, largestHead));
}

function bucketIndex(ids: readonly number[]): ReadonlyMap<number, number> {
  return new Map(ids.map((id, bucket) => [id, bucket]));
}

function select(vocabulary: readonly Bucket[], ids: readonly number[]): readonly Bucket[] {
  return ids.flatMap((id) => vocabulary[id] ?? []);
}

function pairUp(student: readonly number[], teacher: readonly number[]): readonly Bucket[] {
  if (student.length !== teacher.length) {
    throw new RangeError(
      `student and teacher must share a vocabulary, have ${student.length} and ${teacher.length} logits`,
    );
  }
  return student.map((logprob, id) => ({ student: logprob, teacher: teacher[id] ?? -Infinity }));
}
