/** The learning rate of each step: a linear warm-up, then constant. */

import { numberProblems, type Problem } from './problem.js';

/** How the learning rate goes. */
export interface LearningRateSchedule {
  /** After the warm-up. */
  readonly learningRate: number;
  /** Steps until the full rate; 0 starts with it. */
  readonly warmupSteps: number;
}

/** The learning rate of a step, counted from 1: `step / warmupSteps` of the full rate, so that even the first step learns. */
export function learningRateOfStep(
  { learningRate, warmupSteps }: LearningRateSchedule,
  step: number,
): number {
  return learningRate * Math.min(1, step / Math.max(1, warmupSteps));
}

/** What is wrong with the schedule; empty when nothing is. */
export function learningRateProblems(schedule: LearningRateSchedule): readonly Problem[] {
  return [
    ...numberProblems('learningRate', schedule.learningRate, { above: 0 }),
    ...numberProblems('warmupSteps', schedule.warmupSteps, { atLeast: 0, whole: true }),
  ];
}
