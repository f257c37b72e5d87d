import type { Sampling, TokenLogprob } from './engine.js';
import { philox, seedKey, toUniform } from './philox.js';

/** A token drawn from a next-token distribution. */
export interface Draw extends TokenLogprob {
  /** The most likely tokens of that distribution, most likely first; fewer than asked for where top-p keeps fewer. */
  readonly top: readonly TokenLogprob[];
}

/**
 * Draws the next token from probabilities, shape [V], at the temperature of its settings, or at 1 where that is 0.
 *
 * They may miss a sum of 1 by their rounding. `uniform` is in [0, 1) and alone decides among equal probabilities and settings;
 * `topCount` most likely tokens are told beside the token, by default none.
 */
export type Sampler = (probabilities: Float32Array, uniform: number, topCount?: number) => Draw;

/**
 * Makes a sampler for one request's settings.
 *
 * Top-p keeps the fewest most likely tokens whose probability reaches it (ties: lower id first), and the logprob is that of
 * the distribution so renormalised. Temperature 0 takes the most likely token (ties: lowest id) and reports its logprob at
 * temperature 1 without top-p, since a certain draw carries no information.
 */
export function createSampler({ temperature, topP }: Pick<Sampling, 'temperature' | 'topP'>): Sampler {
  return (probabilities, uniform, topCount = 0) => {
    const draw = (): TokenOfMass => {
      if (temperature === 0) return { tokenId: mostLikely(probabilities), mass: 1 };
      if (topP < 1) return drawNucleus(probabilities, topP, uniform);
      return { tokenId: drawAny(probabilities, uniform), mass: 1 };
    };
    const { tokenId, mass } = draw();
    requirePositive(probabilities[tokenId], tokenId);
    const logprob = (id: number) => Math.log((probabilities[id] ?? 0) / mass);
    const top = topCount === 0 ? [] : mostLikelyTokens(probabilities, topCount, temperature === 0 ? 1 : topP);
    return {
      tokenId,
      logprob: logprob(tokenId),
      top: top.map((id) => ({ tokenId: id, logprob: logprob(id) })),
    };
  };
}

/** Tokens that follow one another in the vocabulary, one of which a uniform draws. */
export interface DrawnBlock {
  readonly firstToken: number;
  /** The probability of all tokens before the first. */
  readonly before: number;
  /** That of the whole vocabulary, which may miss 1 by rounding. */
  readonly total: number;
  /** Of the block's tokens, in the distribution of the whole vocabulary. */
  readonly probabilities: Float32Array;
}

/**
 * Draws the token that a sampler without top-p draws from the whole distribution, given the block in whose stretch of the running
 * sum the uniform lies, or comes to lie by rounding.
 */
export function drawFromBlock(
  { firstToken, before, total, probabilities }: DrawnBlock,
  uniform: number,
): TokenLogprob {
  const { tokenId: place } = walk(probabilities, uniform * total - before);
  const probability = requirePositive(probabilities[place], firstToken + place);
  return { tokenId: firstToken + place, logprob: Math.log(probability) };
}

function requirePositive(probability = Number.NaN, tokenId: number): number {
  if (probability > 0) return probability;
  throw new RangeError(`The probability of token ${tokenId} is ${probability}: the weights have diverged.`);
}

/** A token and the probability of all it was drawn among. */
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
function mostLikelyTokens(probabilities: Float32Array, count: number, keptMass: number): readonly number[] {
  const best: number[] = [];
  const probability = (id: number | undefined) => (id === undefined ? 0 : (probabilities[id] ?? 0));
  for (let id = 0; id < probabilities.length; id++) {
    if (probability(id) === 0 || (best.length === count && probability(id) <= probability(best.at(-1))))
      continue;
    const place = best.findIndex((other) => probability(other) < probability(id));
    best.splice(place < 0 ? best.length : place, 0, id);
    if (best.length > count) best.pop();
  }
  let before = 0;
  return best.filter((id) => {
    const kept = before < keptMass;
    before += probability(id);
    return kept;
  });
}

function mostLikely(probabilities: Float32Array): number {
  let best = 0;
  for (let id = 1; id < probabilities.length; id++)
    if ((probabilities[id] ?? 0) > (probabilities[best] ?? 0)) best = id;
  return best;
}

/** The token in whose stretch of the running sum the uniform lies; where rounding leaves the sum below it, of the sum itself. */
function drawAny(probabilities: Float32Array, uniform: number): number {
  const { tokenId, sum } = walk(probabilities, uniform);
  return sum > uniform ? tokenId : walk(probabilities, uniform * sum).tokenId;
}

/** The first token at which the running sum passes `target`, or else the last one of any probability; and the sum there. */
function walk(
  probabilities: Float32Array,
  target: number,
): { readonly tokenId: number; readonly sum: number } {
  let sum = 0;
  let last = 0;
  for (let id = 0; id < probabilities.length; id++) {
    const probability = probabilities[id] ?? 0;
    if (probability === 0) continue;
    sum += probability;
    last = id;
    if (sum > target) break;
  }
  return { tokenId: last, sum };
}

function drawNucleus(probabilities: Float32Array, topP: number, uniform: number): TokenOfMass {
  // Tokens below this probability sum to less than 1 - topP, so the nucleus lies among the others.
  const least = (1 - topP) / probabilities.length;
  const candidates: number[] = [];
  for (let id = 0; id < probabilities.length; id++)
    if ((probabilities[id] ?? 0) >= least) candidates.push(id);
  candidates.sort((a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0) || a - b);
  let kept = 0;
  let sum = 0;
  for (; kept < candidates.length && sum < topP; kept++) sum += probabilities[candidates[kept] ?? 0] ?? 0;
  const nucleus = candidates.slice(0, kept);
  let running = 0;
  let tokenId = nucleus[0] ?? 0;
  for (const id of nucleus) {
    tokenId = id;
    running += probabilities[id] ?? 0;
    if (running > sum * uniform) break;
  }
  return { tokenId, mass: sum };
}
