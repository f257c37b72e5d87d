/** Means of what environments tell of outcomes in numbers, so that a figure of theirs can be followed like a reward. */
import type { Outcome } from '@backsight/contract/environment';
import type { Metrics } from '@backsight/sdpo';

/**
 * Mean over the outcomes of every detail that is a number, or true or false (1 or 0), by its name. Of outcomes that lack a detail
 * the others count: an environment may tell of it only where there is something to tell.
 */
export function outcomeFigures(outcomes: readonly Pick<Outcome, 'details'>[]): Metrics {
  const sums = new Map<string, { readonly sum: number; readonly count: number }>();
  for (const { details } of outcomes) {
    const told: readonly (readonly [string, unknown])[] = Object.entries(details ?? {});
    for (const [name, detail] of told) {
      const value = typeof detail === 'boolean' ? Number(detail) : detail;
      if (typeof value !== 'number' || !Number.isFinite(value)) continue;
      const { sum, count } = sums.get(name) ?? { sum: 0, count: 0 };
      sums.set(name, { sum: sum + value, count: count + 1 });
    }
  }
  return Object.fromEntries([...sums].map(([name, { sum, count }]) => [name, sum / count]));
}
