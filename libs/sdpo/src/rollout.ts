/** Rollouts: what was asked, what the policy wrote, and what the world said of it. Plain values, named as in the protos. */

/** One turn of a conversation. */
export interface Message {
  /** Who speaks: `system`, `user`, `assistant` or `tool`. */
  readonly role: string;
  readonly content: string;
}

/** One remark about an episode. */
export interface Feedback {
  readonly kind: FeedbackKind;
  readonly text: string;
  readonly visibility: FeedbackVisibility;
}

/** The world's own output, a wrong form, an answer cut short, or a judgement in words. */
export type FeedbackKind = 'environment' | 'format' | 'truncation' | 'critique';

/** Who may read a remark. What is for `people` never enters a prompt. */
export type FeedbackVisibility = 'teacher' | 'people';

/** How an episode ended. */
export interface Outcome {
  /** In [0, 1]. */
  readonly reward: number;
  readonly solved: boolean;
  readonly feedback: readonly Feedback[];
  /** The completion ran out of tokens before it ended. */
  readonly truncated: boolean;
}

/** An episode with its tokens and outcome. */
export interface Rollout {
  /** Unique in the run. */
  readonly id: string;
  readonly taskId: string;
  /** Rollouts of one group answer the same prompt. */
  readonly groupId: string;
  /** The conversation that was answered; its last message is the question. */
  readonly promptMessages: readonly Message[];
  /** Shape [P]. */
  readonly promptIds: readonly number[];
  /** Exactly as sampled. Shape [T]. */
  readonly completionIds: readonly number[];
  /** Of each completion token, under the distribution it was drawn from. Shape [T]. */
  readonly logprobs: readonly number[];
  /** The completion in words, special tokens removed. */
  readonly text: string;
  readonly outcome: Outcome;
  /** Optimizer steps the weights had taken that sampled the completion. */
  readonly policyVersion: number;
}

/** The G rollouts of one task, sampled side by side. */
export interface Group {
  readonly id: string;
  readonly taskId: string;
  readonly rollouts: readonly Rollout[];
}

/** Gathers rollouts into groups, in order of first appearance. */
export function groupRollouts(rollouts: readonly Rollout[]): readonly Group[] {
  const groups = new Map<string, { readonly taskId: string; readonly rollouts: Rollout[] }>();
  for (const rollout of rollouts) {
    const group = groups.get(rollout.groupId);
    if (group === undefined) groups.set(rollout.groupId, { taskId: rollout.taskId, rollouts: [rollout] });
    else group.rollouts.push(rollout);
  }
  return [...groups].map(([id, group]) => ({ id, ...group }));
}
