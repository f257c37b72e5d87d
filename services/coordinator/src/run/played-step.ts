/** What playing a step gives. */
import type { RolloutRecord } from '../store/rollout-record.js';
import type { SampleTally } from './draw.js';

/** A step's rollouts, all of them journaled. */
export interface PlayedStep {
  readonly epoch: number;
  /** In order of group and sample. */
  readonly rollouts: readonly RolloutRecord[];
  readonly seconds: number;
  /** Mean time that the environment took to answer an episode's actions, in seconds. */
  readonly answerSeconds: number;
  /** Who sampled what was not in the journal already. */
  readonly sampled: Readonly<SampleTally>;
}
