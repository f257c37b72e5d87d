/** The curriculum: which tasks each step poses, as a pure function of the seed and the step. */

import { numberProblems, type Problem } from './problem.js';
import { random, type Seed, shuffled } from './random.js';

/** How tasks are drawn. */
export interface Curriculum {
  /** Tasks of one step, each once. */
  readonly tasksPerStep: number;
  /** Whether every epoch has its own random order, or the tasks keep the order they are listed in. */
  readonly order: 'shuffled' | 'listed';
  readonly seed: Seed;
}

/** What one step poses. */
export interface StepTasks {
  /** Counted from 1. */
  readonly epoch: number;
  readonly taskIds: readonly string[];
}

/**
 * The tasks of a step, counted from 1. A run that resumes at any step asks for that step and gets what it would have got.
 *
 * An epoch is as many whole steps as the tasks fill; those left over wait for an epoch whose order favours them. Throws a
 * RangeError for a step below 1 or fewer tasks than a step poses.
 */
export function tasksOfStep(taskIds: readonly string[], curriculum: Curriculum, step: number): StepTasks {
  const stepsPerEpoch = Math.floor(taskIds.length / curriculum.tasksPerStep);
  if (stepsPerEpoch < 1) {
    throw new RangeError(
      `tasksPerStep is ${curriculum.tasksPerStep}, but there are only ${taskIds.length} tasks`,
    );
  }
  if (!Number.isInteger(step) || step < 1) throw new RangeError(`steps count from 1, got ${step}`);
  const epoch = Math.floor((step - 1) / stepsPerEpoch) + 1;
  const order =
    curriculum.order === 'listed' ? taskIds : shuffled(taskIds, random(curriculum.seed, 'epoch', epoch));
  const first = ((step - 1) % stepsPerEpoch) * curriculum.tasksPerStep;
  return { epoch, taskIds: order.slice(first, first + curriculum.tasksPerStep) };
}

/** What is wrong with the settings for so many tasks; empty when nothing is. */
export function curriculumProblems(curriculum: Curriculum, tasks: number): readonly Problem[] {
  return numberProblems('tasksPerStep', curriculum.tasksPerStep, { atLeast: 1, atMost: tasks, whole: true });
}
