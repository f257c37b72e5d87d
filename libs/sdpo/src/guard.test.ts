import { describe, expect, it } from '@jest/globals';
import { guardDefaults, warningsOf } from './guard.js';
import { type Metrics } from './metrics.js';

/** Twenty steps in which each metric goes from one value to another, and half way is anywhere between. */
const history = (course: Readonly<Record<string, readonly [number, number]>>): readonly Metrics[] =>
  Array.from({ length: 20 }, (_, step) =>
    Object.fromEntries(Object.entries(course).map(([name, [from, to]]) => [name, step < 8 ? from : to])),
  );
const codes = (course: Readonly<Record<string, readonly [number, number]>>) =>
  warningsOf(history(course)).map(({ code }) => code);

describe('warningsOf', () => {
  const healthy = {
    'actor/entropy': [0.5, 0.3],
    'response_length/clip_ratio': [0.4, 0.1],
    'response_length/mean': [800, 250],
    'critic/score/mean': [0.2, 0.7],
    'self_distillation/flat_group_fraction': [0.6, 0.3],
    'self_distillation/reprompt_sample_fraction': [0.5, 0.9],
    'response/repeated_ngram_fraction': [0.05, 0.02],
  } as const;

  it('is silent about a healthy run, shorter answers included', () => {
    expect(codes(healthy)).toEqual([]);
  });
  it('is silent about a run without metrics', () => {
    expect(warningsOf([])).toEqual([]);
    expect(warningsOf([{}, {}, {}])).toEqual([]);
  });
  it.each([
    ['entropy-collapse', { 'actor/entropy': [0.5, 0.05] }],
    ['length-collapse', { 'response_length/mean': [800, 250], 'critic/score/mean': [0.4, 0.4] }],
    ['reward-fall', { 'critic/score/mean': [0.6, 0.3] }],
    [
      'flat-groups',
      {
        ...healthy,
        'self_distillation/flat_group_fraction': [0.6, 0.9],
        'self_distillation/reprompt_sample_fraction': [0.5, 0.1],
      },
    ],
    ['flat-groups', { 'self_distillation/flat_group_fraction': [0.9, 0.9] }],
    ['repeated-ngrams', { 'response/repeated_ngram_fraction': [0.05, 0.6] }],
  ] as const)('raises %s', (code, course) => {
    expect(codes(course)).toEqual([code]);
  });
  it.each([1, 2, 12])('says within %i steps that answers are cut short', (steps) => {
    const share = (ratio: number) =>
      Array.from({ length: steps }, () => ({ 'response_length/clip_ratio': ratio }));
    expect(warningsOf(share(0.5))).toEqual([]);
    expect(warningsOf(share(0.75))).toEqual([
      {
        code: 'cut-short',
        message:
          '75 % of the answers ran out of tokens before they ended. Raise sampling.maxTokens, or ask for shorter answers.',
      },
    ]);
  });
  it('forgives flat groups whose answers are taught all the same', () => {
    expect(
      codes({
        'self_distillation/flat_group_fraction': [1, 1],
        'self_distillation/reprompt_sample_fraction': [1, 1],
      }),
    ).toEqual([]);
  });
  it('forgives repetition that the task asked for from the start', () => {
    expect(codes({ 'response/repeated_ngram_fraction': [0.5, 0.5] })).toEqual([]);
  });
  it('compares with the best, wherever that was', () => {
    const reward = [0.1, 0.8, 0.2].flatMap((score) => Array.from({ length: 8 }, () => score));
    const warnings = warningsOf(reward.map((score) => ({ 'critic/score/mean': score })));
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^Reward fell from 0\.8 at its best to 0\.2\..* go back to the best checkpoint/),
    ]);
  });
  it('waits for two windows', () => {
    const falling = history({ 'actor/entropy': [0.5, 0.001] });
    expect(warningsOf(falling.slice(0, 9))).toEqual([]);
    expect(warningsOf(falling.slice(4, 14))).toHaveLength(1);
  });
  it('does not take one bad step for a collapse', () => {
    const metrics = [...history({ 'critic/score/mean': [0.6, 0.6] }), { 'critic/score/mean': 0.1 }];
    expect(warningsOf(metrics)).toEqual([]);
  });
  it('takes other thresholds', () => {
    const drooping = history({ 'actor/entropy': [0.5, 0.3] });
    expect(warningsOf(drooping, { ...guardDefaults, entropyShare: 0.8 })).toHaveLength(1);
  });
});
