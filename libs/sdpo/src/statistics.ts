/** Statistics of a list of numbers; of an empty list they are 0, so that a metric is never NaN. */

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The deviation of the population, not of a sample. */
export function standardDeviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}

export function largest(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((a, b) => Math.max(a, b));
}

export function smallest(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((a, b) => Math.min(a, b));
}

/** The share of the items that pass. */
export function fraction<T>(items: readonly T[], passes: (item: T) => boolean): number {
  return mean(items.map((item) => (passes(item) ? 1 : 0)));
}
