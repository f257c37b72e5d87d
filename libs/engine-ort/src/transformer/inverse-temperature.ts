/**
 * What logits are multiplied by at a temperature, in [0, inf).
 *
 * Below 1e-20 it stays at that, where float32 has long given the most likely token everything: more would make logits infinite and
 * a distribution of none of them. Temperature 0 takes the most likely token of the distribution at 1.
 */
export function inverseTemperature(temperature: number): number {
  return temperature === 0 ? 1 : 1 / Math.max(temperature, 1e-20);
}
