import { describe, expect, it } from '@jest/globals';
import { crewFigures, stalenessFigures } from './crew-figures.js';

const turn = (policyVersion: number, completionIds: readonly number[] = [1]) => ({
  messages: [],
  promptIds: [],
  completionIds,
  logprobs: [],
  text: '',
  truncated: false,
  policyVersion,
});
const finished = [
  { step: 1, startVersion: 0, expectedVersion: 2 },
  { step: 2, startVersion: 2, expectedVersion: 4 },
  { step: 3, startVersion: 4, expectedVersion: 4 },
  { step: 4, startVersion: 4, expectedVersion: 6 },
];

describe('stalenessFigures', () => {
  it('counts the steps between what sampled and what trains, and no silence', () => {
    const rollouts = [{ turns: [turn(6), turn(4)] }, { turns: [turn(0), turn(0, [])] }];
    expect(stalenessFigures(rollouts, finished)).toEqual({ 'staleness/mean': 4 / 3, 'staleness/max': 3 });
    expect(stalenessFigures([{ turns: [turn(0)] }], [])).toEqual({ 'staleness/mean': 0, 'staleness/max': 0 });
    expect(stalenessFigures([], finished)).toEqual({});
  });
});

describe('crewFigures', () => {
  it('tells of followers where there are any', () => {
    const sampled = { byFollowers: 9, completions: 12, askedAgain: 3 };
    expect(crewFigures(undefined, sampled)).toEqual({});
    expect(crewFigures({ serving: 2, syncSeconds: [0.25, 0.75] }, sampled)).toEqual({
      'followers/serving': 2,
      'followers/share': 0.75,
      'followers/asked_again': 3,
      'followers/sync_s/mean': 0.5,
      'followers/sync_s/max': 0.75,
    });
    const nothing = { byFollowers: 0, completions: 0, askedAgain: 3 };
    expect(crewFigures({ serving: 2, syncSeconds: [] }, nothing)).toEqual({
      'followers/serving': 2,
      'followers/asked_again': 3,
    });
  });
});
