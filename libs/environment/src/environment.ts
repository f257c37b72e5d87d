/** An environment is a coroutine: it yields observations, is answered with actions, and returns an outcome. */
import type {
  Action,
  FeedbackKind,
  FeedbackVisibility,
  Message,
  Split,
  Task,
  Tool,
} from '@backsight/contract/environment';

export type { Action, Message, Split, Task, Tool } from '@backsight/contract/environment';
export { FeedbackKind, FeedbackVisibility } from '@backsight/contract/environment';

/**
 * A world that poses tasks and answers actions. Every method but `play` may also answer with a promise.
 *
 * `play` reads like the episode it is:
 *
 *     async *play(taskId, { seed, signal }) {
 *       const world = await openWorld(taskId, seed);
 *       try {
 *         const action = yield { messages: [{ role: 'user', content: world.question }] };
 *         return { reward: world.judge(action.text, signal) ? 1 : 0 };
 *       } finally {
 *         world.close();
 *       }
 *     }
 */
export interface Environment {
  /** For example `coding`. */
  readonly name: string;
  /** Most actions an episode takes; 1 is single-turn. */
  readonly maxTurns: number;
  /** Episodes played side by side. */
  readonly capacity: number;
  /** The splits and how many tasks each has. */
  splits(): readonly Split[] | Promise<readonly Split[]>;
  /** The tasks of a split, always in the same order; undefined when there is no such split. */
  tasks(split: string): readonly Task[] | undefined | Promise<readonly Task[] | undefined>;
  /** One episode, or undefined when there is no such task. */
  play(taskId: string, options: EpisodeOptions): Episode | undefined;
}

/**
 * An episode under way. When its caller drops the stream, `signal` aborts and the generator is returned, so that
 * `finally` frees what the world holds.
 */
export type Episode = AsyncGenerator<Observation, Outcome, Action>;

/** What an episode is given. */
export interface EpisodeOptions {
  /** Everything random in the episode follows from this; in [0, 2^53). */
  readonly seed: number;
  /** Aborts when the caller is gone: stop what runs. */
  readonly signal: AbortSignal;
  /** Who plays, for worlds that are fair to those who share them. */
  readonly caller?: string;
}

/** What the policy is told: messages to append to the conversation, and the tools it may call. */
export interface Observation {
  /** In order; the first observation holds the whole task. */
  readonly messages: readonly Message[];
  /** Default: none. */
  readonly tools?: readonly Tool[];
}

/** How an episode ended. */
export interface Outcome {
  /** In [0, 1]. */
  readonly reward: number;
  /** Default: whether the reward is 1. */
  readonly solved?: boolean;
  /** In words, for hindsight. What is hidden from the policy does not belong here. Default: none. */
  readonly feedback?: readonly Feedback[];
  /** Default: whether the last action was cut short. */
  readonly truncated?: boolean;
  /** More for people and metrics; plain JSON. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** One remark about an episode. */
export interface Feedback {
  readonly kind: FeedbackKind;
  /** Not blank. */
  readonly text: string;
  /** Default: the teacher and people. */
  readonly visibility?: FeedbackVisibility;
}
