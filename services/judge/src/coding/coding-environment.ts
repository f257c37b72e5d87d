/** The coding environment: poses tasks, judges the programs that answer them, words what went wrong. */
import { Verdict } from '@backsight/contract/judge';
import {
  type Action,
  type Environment,
  type Episode,
  type EpisodeOptions,
  type Feedback,
  FeedbackKind,
  type Outcome,
} from '@backsight/environment';
import { cutOff, type FeedbackOptions, noFencedProgram, noProgram, writeFeedback } from '../feedback.js';
import type { Answer } from '../judging/judge.js';
import { completeLimits } from '../judging/limits.js';
import type { WaitOptions } from '../judging/queue.js';
import type { Submission } from '../judging/submission.js';
import { extractProgram } from './extract-program.js';
import type { CodingTask } from './task.js';

/** What the environment is made of. */
export interface CodingEnvironmentOptions {
  readonly tasks: readonly CodingTask[];
  readonly judge: { judge(submission: Submission, wait: WaitOptions): Promise<Answer> };
  /** How wrong answers are shown; the seed is the episode's. */
  readonly feedback: Pick<FeedbackOptions, 'maxWrongAnswers' | 'selection' | 'maxCharacters'>;
  /** Attempts at a task; with more than one, the feedback on a failed attempt is the next observation. */
  readonly maxTurns: number;
  /** Episodes open side by side; an open one costs nothing until it is answered. */
  readonly capacity: number;
}

/** The environment over these tasks. */
export function codingEnvironment(options: CodingEnvironmentOptions): Environment {
  const { tasks, maxTurns, capacity } = options;
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const bySplit = new Map<string, CodingTask[]>();
  for (const task of tasks) bySplit.set(task.split, [...(bySplit.get(task.split) ?? []), task]);
  return {
    name: 'coding',
    maxTurns,
    capacity,
    splits: () => [...bySplit].map(([name, { length }]) => ({ name, taskCount: length })),
    tasks: (split) => bySplit.get(split)?.map(({ id, title }) => ({ taskId: id, title })),
    play: (taskId, episode) => {
      const task = byId.get(taskId);
      return task === undefined ? undefined : playTask(task, options, episode);
    },
  };
}

async function* playTask(
  task: CodingTask,
  options: CodingEnvironmentOptions,
  { seed, signal, caller }: EpisodeOptions,
): Episode {
  let messages = task.messages;
  for (let turn = 1; ; turn++) {
    const action = yield { messages };
    const attempt = await judgeAttempt(task, action, options, seed, { caller, errand: 'episode', signal });
    if (attempt.verdict === Verdict.ACCEPTED || turn >= options.maxTurns)
      return outcomeOf(attempt, task, turn);
    messages = [{ role: 'user', content: attempt.feedback?.text ?? 'The program fails a hidden test.' }];
  }
}

/** What became of one action. */
interface Attempt {
  readonly verdict: Verdict;
  readonly feedback?: Feedback;
  readonly passed: number;
}

async function judgeAttempt(
  task: CodingTask,
  action: Action,
  options: CodingEnvironmentOptions,
  seed: number,
  wait: WaitOptions,
): Promise<Attempt> {
  const source = programOf(task, action);
  if (typeof source !== 'string') return { verdict: Verdict.FORMAT_ERROR, feedback: source, passed: 0 };
  const submission: Submission = {
    language: task.language,
    source,
    prelude: task.prelude,
    tests: task.tests,
    checker: task.checker,
    ...(task.interactor === undefined ? {} : { interactor: task.interactor }),
    limits: completeLimits(task.limits),
    stopAtFirstFailure: false,
  };
  const { judgement } = await options.judge.judge(submission, wait);
  const text = writeFeedback(submission, judgement, { ...options.feedback, seed });
  return {
    verdict: judgement.verdict,
    passed: judgement.passed,
    ...(text.trim() === '' ? {} : { feedback: { kind: FeedbackKind.ENVIRONMENT, text } }),
  };
}

/** The program of an answer, or the remark that there is none. */
function programOf({ answerFormat, language }: CodingTask, { text, truncated }: Action): string | Feedback {
  if (answerFormat === 'plain') {
    return text.trim() === '' ? { kind: FeedbackKind.FORMAT, text: noProgram(language) } : text;
  }
  const found = extractProgram(text, language);
  if (found === undefined || !found.closed) {
    if (truncated) return { kind: FeedbackKind.TRUNCATION, text: cutOff };
    if (found === undefined) return { kind: FeedbackKind.FORMAT, text: noFencedProgram(language) };
  }
  return found.program;
}

function outcomeOf({ verdict, feedback, passed }: Attempt, task: CodingTask, turns: number): Outcome {
  const total = task.tests.length;
  return {
    reward: verdict === Verdict.ACCEPTED ? 1 : 0,
    feedback: feedback === undefined ? [] : [feedback],
    details: {
      verdict: verdict.replace('VERDICT_', '').toLowerCase(),
      passed,
      total,
      passed_fraction: passed / total,
      reward_tests: task.rewardTests,
      turns,
    },
  };
}
