import { describe, expect, it } from '@jest/globals';
import { buildExamples, exampleDefaults, type ExampleOptions, exampleProblems } from './example.js';
import { type RenderPrompt } from './reprompt.js';
import { type Group, type Rollout } from './rollout.js';

const rollout = (id: string, reward: number, feedback?: string): Rollout => ({
  id,
  taskId: 'task',
  groupId: 'group',
  promptMessages: [{ role: 'user', content: 'question' }],
  promptIds: [10, 11],
  completionIds: [20, 21, 22],
  logprobs: [-0.1, -0.2, -0.3],
  text: `answer ${id}`,
  outcome: {
    reward,
    solved: reward === 1,
    feedback: feedback === undefined ? [] : [{ kind: 'environment', text: feedback, visibility: 'teacher' }],
    truncated: false,
  },
  policyVersion: 5,
});
const group = (...rollouts: readonly Rollout[]): Group => ({ id: 'group', taskId: 'task', rollouts });

/** One token per character of the last message. */
const render: RenderPrompt = (messages) =>
  Array.from(messages.at(-1)?.content ?? '', (each) => each.charCodeAt(0));
const build = (groups: readonly Group[], options: Partial<ExampleOptions> = {}, contextWindow = 100_000) =>
  buildExamples({ groups, options: { ...exampleDefaults, ...options }, seed: 0, render, contextWindow });
const grpo = (): ExampleOptions => {
  const { hindsight: _, ...options } = exampleDefaults;
  return options;
};

describe('buildExamples', () => {
  const mixed = group(rollout('a', 1), rollout('b', 0), rollout('c', 0, 'line 3 fails'));
  const hopeless = group(rollout('d', 0, 'line 1 fails'), rollout('e', 0));

  it('carries the completion exactly as sampled', () => {
    const [first] = build([mixed]).examples;
    expect(first).toMatchObject({
      studentPromptIds: [10, 11],
      completionIds: [20, 21, 22],
      completionLogprobs: [-0.1, -0.2, -0.3],
      policyVersion: 5,
      rolloutId: 'a',
    });
  });
  it('gives the teacher the rendered reprompt', () => {
    const { examples, teachings } = build([mixed]);
    const told = teachings[1]!;
    expect(told.kind === 'taught' && render(told.messages, mixed.rollouts[1]!)).toEqual(
      examples[1]!.teacherPromptIds,
    );
    expect(String.fromCharCode(...examples[1]!.teacherPromptIds)).toContain('\n\nanswer a\n\n');
  });
  it('records what taught each rollout, and why nothing did', () => {
    const { teachings, maskedCounts } = build([mixed, hopeless]);
    expect(teachings.map((teaching) => ({ ...teaching, messages: undefined }))).toEqual([
      { kind: 'masked', rolloutId: 'a', reason: 'only-success' },
      { kind: 'taught', rolloutId: 'b', demonstrationRolloutId: 'a', truncated: false },
      { kind: 'taught', rolloutId: 'c', demonstrationRolloutId: 'a', truncated: false },
      { kind: 'taught', rolloutId: 'd', feedback: 'line 1 fails', truncated: false },
      { kind: 'masked', rolloutId: 'e', reason: 'no-success' },
    ]);
    expect(maskedCounts).toEqual({
      'only-success': 1,
      'no-success': 1,
      'no-feedback': 0,
      'too-long': 0,
      routed: 0,
      off: 0,
    });
  });
  it('masks by leaving the teacher prompt empty', () => {
    const taught = build([mixed, hopeless]).examples.map(
      ({ teacherPromptIds }) => teacherPromptIds.length > 0,
    );
    expect(taught).toEqual([false, true, true, true, false]);
  });
  it('centres advantages on each group', () => {
    expect(build([mixed, hopeless]).examples.map(({ advantage }) => advantage)).toEqual([
      1 - 1 / 3,
      -1 / 3,
      -1 / 3,
      0,
      0,
    ]);
  });
  it('makes the same of groups one by one as of all at once', () => {
    const apart = [build([mixed]), build([hopeless])];
    expect(build([mixed, hopeless]).examples).toEqual(apart.flatMap(({ examples }) => examples));
  });
  it('gives every example both losses by default', () => {
    const weights = build([mixed]).examples.map((each) => [
      each.distillationWeight,
      each.policyGradientWeight,
    ]);
    expect(weights).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });
  it('keeps or drops what nobody teaches, and records it either way', () => {
    const dropped = build([mixed, hopeless], { untaught: 'dropped' });
    expect(dropped.examples.map(({ rolloutId }) => rolloutId)).toEqual(['b', 'c', 'd']);
    expect(dropped.teachings).toHaveLength(5);
  });
  it('teaches nobody without hindsight', () => {
    const { examples, maskedCounts } = buildExamples({
      groups: [mixed],
      options: grpo(),
      seed: 0,
      render: () => {
        throw new Error('nothing is rendered');
      },
      contextWindow: 100,
    });
    expect(examples.every(({ teacherPromptIds }) => teacherPromptIds.length === 0)).toBe(true);
    expect(maskedCounts.off).toBe(3);
  });

  describe('routed by outcome', () => {
    const routes = build([mixed, hopeless], { routing: 'by-outcome' });

    it('distils what failed and has a teacher, and leaves the rest to the policy gradient', () => {
      const bears = routes.examples.map((each) => [
        each.rolloutId,
        each.teacherPromptIds.length > 0,
        each.policyGradientWeight,
      ]);
      expect(bears).toEqual([
        ['a', false, 1],
        ['b', true, 0],
        ['c', true, 0],
        ['d', true, 0],
        ['e', false, 1],
      ]);
    });
    it('sends successes to the policy gradient even if a sibling could teach them', () => {
      const two = build([group(rollout('a', 1), rollout('b', 1))], { routing: 'by-outcome' });
      expect(two.maskedCounts.routed).toBe(2);
    });
  });

  it('weighs distillation by question when asked to', () => {
    const half = group(rollout('a', 1), rollout('b', 0));
    const weights = build([half, hopeless], { questionWeighting: 'uncertainty' }).examples;
    expect(weights.map((each) => [each.distillationWeight, each.policyGradientWeight])).toEqual([
      [2, 1],
      [2, 1],
      [0, 1],
      [0, 1],
    ]);
  });

  describe('with little room', () => {
    const wordy = group(rollout('a', 0, 'x'.repeat(400)));
    const whole = build([wordy]).examples[0]!.teacherPromptIds.length;

    it('cuts what is told to the longest teacher prompt, and says so', () => {
      const { examples, teachings } = build([wordy], { maxTeacherPromptTokens: whole - 50 });
      expect(examples[0]!.teacherPromptIds).toHaveLength(whole - 50);
      expect(teachings[0]).toMatchObject({ kind: 'taught', truncated: true, feedback: 'x'.repeat(400) });
    });
    it('leaves room for the completion in the context window', () => {
      const { examples } = build([wordy], {}, whole + 2);
      expect(examples[0]!.teacherPromptIds.length + 3).toBe(whole + 2);
    });
    it('masks what cannot be told at all', () => {
      const { examples, maskedCounts } = build([wordy], { maxTeacherPromptTokens: 20 });
      expect([examples[0]!.teacherPromptIds, maskedCounts['too-long']]).toEqual([[], 1]);
    });
  });
});

describe('exampleProblems', () => {
  it('finds nothing wrong with the defaults, nor without hindsight', () => {
    expect([exampleProblems(exampleDefaults), exampleProblems(grpo())]).toEqual([[], []]);
  });
  it('names fields with their path', () => {
    const options = {
      ...exampleDefaults,
      maxTeacherPromptTokens: 0,
      hindsight: { ...exampleDefaults.hindsight, successThreshold: 2 },
    };
    expect(exampleProblems(options).map(({ field }) => field)).toEqual([
      'hindsight.successThreshold',
      'maxTeacherPromptTokens',
    ]);
  });
});
