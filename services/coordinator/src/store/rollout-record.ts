/** A rollout as the journal keeps it, and what its teacher was told. */
import type { Message, Outcome, Tool } from '@backsight/contract/environment';

/** An episode that was played to its end. */
export interface PlayedEpisode {
  /** The task's place in the step. */
  readonly groupIndex: number;
  readonly sampleIndex: number;
  readonly taskId: string;
  /** What the policy was offered at the start. */
  readonly tools: readonly Tool[];
  /** What the policy was asked and wrote, turn by turn. */
  readonly turns: readonly Turn[];
  readonly outcome: Outcome;
}

/** A rollout as the journal keeps it: everything that its examples are made of. */
export interface RolloutRecord extends PlayedEpisode {
  /** `step.group.sample`, unique in the run. */
  readonly rolloutId: string;
  readonly step: number;
}

/** One observation and the completion that answered it. */
export interface Turn {
  /** Messages that the observation added to the conversation. */
  readonly messages: readonly Message[];
  /** The whole conversation so far. Shape [P]. */
  readonly promptIds: readonly number[];
  /** Exactly as sampled; empty when the prompt left no room for a single token. Shape [T]. */
  readonly completionIds: readonly number[];
  /** Exactly as sampled. Shape [T]. */
  readonly logprobs: readonly number[];
  /** The completion in words, special tokens removed. */
  readonly text: string;
  /** Whether the policy ran out of tokens. */
  readonly truncated: boolean;
  /** Of the weights that sampled the completion. */
  readonly policyVersion: number;
}

/** What the teacher was told about a rollout, as it was told. */
export interface Lesson {
  readonly rolloutId: string;
  /** Empty when nobody's answer was shown. */
  readonly demonstrationRolloutId: string;
  /** Empty when no feedback was shown. */
  readonly teacherFeedback: string;
  /** One teacher prompt per turn; empty where nothing taught. */
  readonly teacherPromptIds: readonly (readonly number[])[];
}

/** Completion tokens over all turns. */
export const completionTokens = (rollout: RolloutRecord): number =>
  rollout.turns.reduce((sum, turn) => sum + turn.completionIds.length, 0);
