/** What is sampled, how, and who it was that did. */
import type { Recipe } from '../recipe/recipe.js';

/** Prompts that get the same number of completions. */
export interface Batch {
  /** Shape [B, P]. */
  readonly prompts: readonly (readonly number[])[];
  readonly groupSize: number;
}

/** How completions of a batch are drawn. */
export interface Draw {
  readonly sampling: Recipe['sampling'];
  readonly seed: number;
  /** The oldest version of the weights that may sample. */
  readonly oldestVersion: number;
  /** Is told who sampled. */
  readonly tally: SampleTally;
}

/** Who sampled the completions of a step, counted as they come. */
export interface SampleTally {
  completions: number;
  byFollowers: number;
  /** Asked for again, since their follower went away. */
  askedAgain: number;
}

export const freshTally = (): SampleTally => ({ completions: 0, byFollowers: 0, askedAgain: 0 });
