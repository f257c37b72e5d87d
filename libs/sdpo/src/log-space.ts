/** Arithmetic on natural logarithms of probabilities, where the small ones would vanish. */

/** log(sum(exp(values))), without overflow; -Infinity for no values. */
export function logSumExp(values: readonly number[]): number {
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!Number.isFinite(largest)) return largest;
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

/** log(exp(a) + exp(b)), without overflow. */
export function logAddExp(a: number, b: number): number {
  const larger = Math.max(a, b);
  return Number.isFinite(larger) ? larger + Math.log1p(Math.exp(-Math.abs(a - b))) : larger;
}

/** log(1 - exp(a)) for a below 0: the logprob of everything else. */
export function logOneMinusExp(a: number): number {
  return Math.log(-Math.expm1(a));
}

/** Logprobs of a softmax over `logits / temperature`. Shape [V] to [V]. */
export function logSoftmax(logits: readonly number[], temperature = 1): readonly number[] {
  const scaled = logits.map((logit) => logit / temperature);
  const normaliser = logSumExp(scaled);
  return scaled.map((logit) => logit - normaliser);
}
