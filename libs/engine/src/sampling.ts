import type { Sampling, TokenLogprob } from './engine.js';
import { philox, seedKey, toUniform } from './philox.js';

/** A token drawn from a next-token distribution. */
export interface Draw extends TokenLogprob {
  /** The most likely tokens of that distribution, most likely first; fewer than asked for where top-p keeps fewer. */
  readonly top: readonly TokenLogprob[];
}

/**
 * Draws the next token from logits, shape [V]. `uniform` is in [0, 1) and alone decides among equal logits and settings;
 * `topCount` most likely tokens are told beside it, by default none.
 */
export type Sampler = (logits: Float32Array, uniform: number, topCount?: number) => Draw;

/**
 * Makes a sampler for one request's settings; it owns scratch memory, so it serves one caller at a time.
 *
 * Temperature divides the logits; then top-p keeps the fewest most likely tokens whose probability reaches it (ties: lower id first)
 * and the logprob is that of the distribution so renormalised. Temperature 0 takes the most likely token (ties: lowest id)
 * and reports its logprob at temperature 1 without top-p, since a certain draw carries no information.
 */
export function createSampler({ temperature, topP }: Pick<Sampling, 'temperature' | 'topP'>): Sampler {
  let scratch = new Float64Array(0);
  return (logits, uniform, topCount = 0) => {
    if (scratch.length < logits.length) scratch = new Float64Array(logits.length);
    const best = mostLikely(logits);
    const highest = logits[best] ?? 0;
    const divisor = temperature === 0 ? 1 : temperature;
    const total = exponentiate(logits, highest, divisor, scratch);
    const draw = (): TokenOfMass => {
      if (temperature === 0) return { tokenId: best, mass: total };
      if (topP < 1) return drawNucleus(scratch, logits.length, total, topP, uniform);
      return { tokenId: walk(scratch, logits.length, total * uniform), mass: total };
    };
    const { tokenId, mass } = draw();
    // Not the log of the weight, which may have underflowed to a few bits.
    const logprob = (id: number) => ((logits[id] ?? 0) - highest) / divisor - Math.log(mass);
    const keptMass = temperature === 0 ? total : topP * total;
    const top = topCount === 0 ? [] : mostLikelyTokens(logits, scratch, topCount, keptMass);
    return {
      tokenId,
      logprob: logprob(tokenId),
      top: top.map((id) => ({ tokenId: id, logprob: logprob(id) })),
    };
  };
}

/** A token and the sum of the weights it was drawn among; the most likely token weighs 1. */
interface TokenOfMass {
  readonly tokenId: number;
  readonly mass: number;
}

/** The random number in [0, 1) for one draw; it depends on these four whole numbers alone, never on batching or order. */
export function drawUniform(
  seed: number,
  promptIndex: number,
  sampleIndex: number,
  drawIndex: number,
): number {
  const [high, low] = philox(seedKey(seed), [promptIndex, sampleIndex, drawIndex, 0]);
  return toUniform(high, low);
}

/** Up to `count` most likely tokens, most likely first (ties: lower id first), of those that reach `keptMass` together. */
function mostLikelyTokens(
  logits: Float32Array,
  weights: Float64Array,
  count: number,
  keptMass: number,
): readonly number[] {
  const best: number[] = [];
  const logit = (id: number | undefined) => (id === undefined ? -Infinity : (logits[id] ?? -Infinity));
  for (let id = 0; id < logits.length; id++) {
    if (best.length === count && logit(id) <= logit(best.at(-1))) continue;
    const place = best.findIndex((other) => logit(other) < logit(id));
    best.splice(place < 0 ? best.length : place, 0, id);
    if (best.length > count) best.pop();
  }
  let before = 0;
  return best.filter((id) => {
    const kept = before < keptMass;
    before += weights[id] ?? 0;
    return kept;
  });
}

function mostLikely(logits: Float32Array): number {
  let best = 0;
  let highest = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] ?? 0;
    if (Number.isNaN(logit))
      throw new RangeError(`The logit of token ${id} is not a number: the weights have diverged.`);
    if (logit > highest) [best, highest] = [id, logit];
  }
  if (!Number.isFinite(highest))
    throw new RangeError(`The largest of ${logits.length} logits is ${highest}: the weights have diverged.`);
  return best;
}

/** Writes exp((logit - highest) / divisor) per token and returns the sum. */
function exponentiate(logits: Float32Array, highest: number, divisor: number, weights: Float64Array): number {
  let total = 0;
  for (let id = 0; id < logits.length; id++) {
    const weight = Math.exp(((logits[id] ?? 0) - highest) / divisor);
    weights[id] = weight;
    total += weight;
  }
  return total;
}

/** First token at which the running sum passes `target`; rounding at the end falls back to the last token of any weight. */
function walk(weights: Float64Array, size: number, target: number): number {
  let sum = 0;
  let last = 0;
  for (let id = 0; id < size; id++) {
    const weight = weights[id] ?? 0;
    if (weight === 0) continue;
    sum += weight;
    last = id;
    if (sum > target) return id;
  }
  return last;
}

function drawNucleus(
  weights: Float64Array,
  size: number,
  total: number,
  topP: number,
  uniform: number,
): TokenOfMass {
  // Tokens below this weight sum to less than (1 - topP) of the total, so the nucleus lies among the others.
  const least = ((1 - topP) * total) / size;
  const candidates: number[] = [];
  for (let id = 0; id < size; id++) if ((weights[id] ?? 0) >= least) candidates.push(id);
  candidates.sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b);
  let kept = 0;
  let sum = 0;
  for (; kept < candidates.length && sum < topP * total; kept++) sum += weights[candidates[kept] ?? 0] ?? 0;
  const nucleus = candidates.slice(0, kept);
  let running = 0;
  let tokenId = nucleus[0] ?? 0;
  for (const id of nucleus) {
    tokenId = id;
    running += weights[id] ?? 0;
    if (running > sum * uniform) break;
  }
  return { tokenId, mass: sum };
}
