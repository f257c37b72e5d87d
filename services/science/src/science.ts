/** The science environment: a question with options is posed, and the option that the answer chooses is graded. */
import { type Action, type Environment, type Outcome, singleTurn, type Task } from '@backsight/environment';
import type { AnswerForm } from './answer.js';
import { feedbackOn, type Reveal } from './feedback.js';
import { grade, type Grading } from './grade.js';
import type { ScienceTask } from './science-task.js';

/** How answers are graded and commented on. */
export interface ScienceSettings {
  readonly form: AnswerForm;
  readonly grading: Grading;
  readonly reveal: Reveal;
  /** Episodes played side by side. */
  readonly capacity: number;
}

/** The environment over the tasks; grading takes microseconds, so an episode holds nothing. */
export function scienceEnvironment(tasks: readonly ScienceTask[], settings: ScienceSettings): Environment {
  const byId = new Map(tasks.map((task) => [task.taskId, task]));
  const bySplit = new Map<string, readonly Task[]>();
  for (const { split, taskId, title } of tasks)
    bySplit.set(split, [...(bySplit.get(split) ?? []), { taskId, title }]);
  return {
    name: 'science',
    maxTurns: 1,
    capacity: settings.capacity,
    splits: () => [...bySplit].map(([name, { length }]) => ({ name, taskCount: length })),
    tasks: (split) => bySplit.get(split),
    play: (taskId, { seed }) => {
      const task = byId.get(taskId);
      return (
        task &&
        singleTurn({ messages: task.messages }, (action) => judge(task, { ...action, seed }, settings))
      );
    },
  };
}

/** The outcome of an answer: reward 1 when it chooses the right option, else 0, and what is wrong in words. */
export function judge(
  task: Pick<ScienceTask, 'options' | 'answer'>,
  { text, truncated, seed }: Action & { readonly seed: number },
  settings: Pick<ScienceSettings, 'form' | 'grading' | 'reveal'>,
): Outcome {
  const graded = grade(task, text, settings);
  const solved = graded.verdict === 'solved';
  return {
    reward: solved ? 1 : 0,
    solved,
    truncated,
    feedback: feedbackOn({ grade: graded, truncated, seed }, task, settings),
    details: {
      verdict: graded.verdict,
      form: graded.form,
      form_valid: graded.form === 'valid',
      choice: graded.choice,
      ...(settings.reveal === 'answer' ? { answer: task.answer } : {}),
    },
  };
}
