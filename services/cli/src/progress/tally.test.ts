import { describe, expect, it } from '@jest/globals';
import { emptyTally, summaryLine, summaryOf, tallied } from './tally.js';

const step = (changes: Record<string, number> = {}) => ({
  'perf/sampled_tokens_per_s': 1000,
  'staleness/mean': 0,
  'staleness/max': 0,
  'critic/rewards/mean': 0.5,
  ...changes,
});
const summed = (...steps: Record<string, number>[]) => summaryOf(steps.reduce(tallied, emptyTally));

describe('summaryOf', () => {
  it('takes means over the steps, and the largest', () => {
    const faster = step({ 'perf/sampled_tokens_per_s': 2000, 'staleness/mean': 0.5, 'staleness/max': 2 });
    const summary = summed(step(), faster);
    expect(summary).toEqual({
      tokensPerSecond: 1500,
      staleness: { mean: 0.25, most: 2 },
      followers: undefined,
    });
    expect(summaryLine(summary)).toBe('sampled 1500 tokens/s; staleness 0.25 steps, at most 2');
  });

  it('speaks of no staleness where the policy samples for itself, on-policy', () => {
    expect(summaryLine(summed(step()))).toBe('sampled 1000 tokens/s');
  });

  it('tells of followers where there were any, and of a sync only where there was one', () => {
    const followers = { 'followers/serving': 2, 'followers/share': 1, 'followers/asked_again': 0 };
    const summary = summed(
      step({ ...followers, 'followers/sync_s/mean': 0.2, 'followers/sync_s/max': 0.3 }),
      step({ ...followers, 'followers/serving': 1, 'followers/share': 0.5, 'followers/asked_again': 7 }),
    );
    expect(summary.followers).toEqual({
      serving: 1.5,
      share: 0.75,
      syncSeconds: { mean: 0.2, most: 0.3 },
      askedAgain: 7,
    });
    expect(summaryLine(summary)).toBe(
      'sampled 1000 tokens/s; staleness 0.00 steps, at most 0; 1.5 followers sampled 75 %; sync 0.20 s, at most 0.30; 7 completions asked for again',
    );
  });

  it('has nothing to tell before the first step', () => {
    expect(summaryLine(summed())).toBeUndefined();
  });
});
