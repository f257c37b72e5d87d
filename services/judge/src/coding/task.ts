/** A coding task: a question in words, and the tests that tell whether a program answers it. */
import type { Message } from '@backsight/environment';
import type { Checker, TaskProgram, Test } from '../judging/submission.js';
import type { RunLimits } from '../sandbox/sandbox.js';

/** One task. */
export interface CodingTask {
  /** Unique over all files. */
  readonly id: string;
  readonly split: string;
  /** What it is about, for people. */
  readonly title: string;
  /** The question, as the policy reads it. */
  readonly messages: readonly Message[];
  /** For example `python`. */
  readonly language: string;
  readonly answerFormat: AnswerFormat;
  /** Code in front of every answer, ending with a line break; empty for none. */
  readonly prelude: string;
  /** The tests that decide the reward; feedback speaks of the public ones among them. At least one. */
  readonly tests: readonly Test[];
  /** Which of the row's tests those are, for people. */
  readonly rewardTests: RewardTests;
  readonly checker: Checker;
  /** What interactive tests talk with. */
  readonly interactor?: TaskProgram;
  /** Limits the task sets; the judge's defaults apply to the rest. */
  readonly limits: Partial<RunLimits>;
}

/** `fenced`: a fenced code block of the answer is the program; `plain`: the whole answer is. */
export type AnswerFormat = 'fenced' | 'plain';

/** Which tests of a row decide the reward. */
export type RewardTests = 'public' | 'hidden' | 'all';

/** What one line of a task file says, before its tests are chosen. */
export type TaskRow = Omit<CodingTask, 'rewardTests'> & { readonly rewardTests: RewardTests | undefined };
