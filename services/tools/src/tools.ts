/** The tool-use environment: a question with documented tools is posed, and the calls in the answer are graded. */
import {
  type Action,
  type Environment,
  type Feedback,
  FeedbackKind,
  type Outcome,
  singleTurn,
} from '@backsight/environment';
import { readDocumentation } from './documentation.js';
import { feedbackOn, type Reveal } from './feedback.js';
import { grade, inputOf, type Pairing } from './grade.js';
import type { ToolTask } from './tool-task.js';

/** How answers are graded and commented on. */
export interface ToolsSettings {
  readonly pairing: Pairing;
  readonly reveal: Reveal;
  /** Episodes played side by side. */
  readonly capacity: number;
}

/** The environment over the tasks; grading takes microseconds, so an episode holds nothing. */
export function toolsEnvironment(tasks: readonly ToolTask[], settings: ToolsSettings): Environment {
  const byId = new Map(tasks.map((task) => [task.taskId, task]));
  const splits = [...new Set(tasks.map(({ split }) => split))].map((name) => ({
    name,
    tasks: tasks.filter(({ split }) => split === name).map(({ taskId, title }) => ({ taskId, title })),
  }));
  return {
    name: 'tools',
    maxTurns: 1,
    capacity: settings.capacity,
    splits: () => splits.map(({ name, tasks: { length } }) => ({ name, taskCount: length })),
    tasks: (split) => splits.find(({ name }) => name === split)?.tasks,
    play: (taskId) => {
      const task = byId.get(taskId);
      return task && singleTurn({ messages: task.messages }, (action) => judge(task, action, settings));
    },
  };
}

/** The outcome of an answer: reward 1 when it makes the right calls, else 0 and what is wrong in words. */
export function judge(task: ToolTask, action: Action, { pairing, reveal }: ToolsSettings): Outcome {
  const graded = grade(task, action.text, pairing);
  const solved = graded.verdict === 'solved';
  const documentation = readDocumentation(task.messages.map(({ content }) => content).join('\n'));
  const cutShort = action.truncated && !solved ? [tooLong] : [];
  return {
    reward: solved ? 1 : 0,
    solved,
    truncated: action.truncated,
    feedback: [...cutShort, ...feedbackOn(graded, documentation, reveal)],
    details: {
      verdict: graded.verdict,
      calls: graded.calls.map((call) => ({ action: call.action, input: inputOf(call) })),
      ...(reveal === 'answer'
        ? { gold: graded.gold.map(({ action: name, input }) => ({ action: name, input })) }
        : {}),
    },
  };
}

const tooLong: Feedback = {
  kind: FeedbackKind.TRUNCATION,
  text: 'The answer was cut off before it ended: think more briefly.',
};
