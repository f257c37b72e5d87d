/** Says in words what is wrong with an answer. */
import { type Feedback, FeedbackKind, FeedbackVisibility } from '@backsight/environment';
import type { AnswerForm } from './answer.js';
import type { Grade } from './grade.js';
import type { ScienceTask } from './science-task.js';

/**
 * What feedback may say. `hints` speaks of the form of the answer and of its own choice, so that nothing of the right
 * one is given away. `answer` also names the right option; then the teacher knows it.
 */
export const reveals = ['hints', 'answer'] as const;

/** One of the two. */
export type Reveal = (typeof reveals)[number];

/** An answer as it was played. */
export interface Graded {
  readonly grade: Grade;
  /** Whether the policy ran out of tokens. */
  readonly truncated: boolean;
  /** The episode's; chooses the letter of an example, which so tells nothing of the right one. */
  readonly seed: number;
}

/** What may be said, and of which form. */
export interface FeedbackSettings {
  readonly form: AnswerForm;
  readonly reveal: Reveal;
}

/** Remarks on an answer; none on a right one in the right form. */
export function feedbackOn(
  { grade, truncated, seed }: Graded,
  task: Pick<ScienceTask, 'options' | 'answer'>,
  { form: asked, reveal }: FeedbackSettings,
): readonly Feedback[] {
  const { verdict, form } = grade;
  if (verdict === 'solved' && form === 'valid') return [];
  return [
    ...(truncated ? [tooLong(asked)] : []),
    ...(asked === 'tags' ? tagRemarks(grade, task) : letterRemarks(grade, task, seed)),
    ...(verdict === 'choice' ? [wrongChoice(grade, task)] : []),
    ...(verdict !== 'solved' && reveal === 'answer' ? [rightOption(task)] : []),
  ];
}

const tooLong = (asked: AnswerForm): Feedback => ({
  kind: FeedbackKind.TRUNCATION,
  text: `The answer was cut off before it ended${asked === 'tags' ? ': reason more briefly' : ''}.`,
  visibility: FeedbackVisibility.TEACHER,
});

/** An example says more to a small model than a description does. */
function letterRemarks(
  { form, choice }: Grade,
  { options }: Pick<ScienceTask, 'options'>,
  seed: number,
): readonly Feedback[] {
  const letters = options.map(({ letter }) => letter);
  const example = `The answer must look like this:\n${letters[seed % letters.length] ?? ''}`;
  switch (form) {
    case 'valid':
      return [];
    case 'not-offered':
      return [format(`${choice} is not offered: the options are ${letters.join(', ')}. ${example}`)];
    case 'empty':
      return [format(`The answer is empty. ${example}`)];
    default:
      return [format(`The answer is not one letter alone. ${example}`)];
  }
}

function tagRemarks({ form, choice }: Grade, { options }: Pick<ScienceTask, 'options'>): readonly Feedback[] {
  const letters = options.map(({ letter }) => letter).join(', ');
  const wanted = `write <answer>, then one of ${letters}, then </answer>`;
  switch (form) {
    case 'valid':
      return [];
    case 'no-tag':
      return [format(`There is no answer tag: ${wanted}.`)];
    case 'unopened':
      return [format(`The answer tag is closed, but nowhere opened: ${wanted}.`)];
    case 'unclosed':
      return [format(`The answer tag is not closed: ${wanted}.`)];
    case 'several-tags':
      return [format(`There are several answer tags, of which the last counts: ${wanted}, and that once.`)];
    case 'empty':
      return [format(`There is nothing between the answer tags: ${wanted}.`)];
    case 'text':
      return [
        format(
          `Between the answer tags stands ${quoted(choice)}, where a letter alone belongs: one of ${letters}.`,
        ),
      ];
    case 'not-offered':
      return [
        format(`Between the answer tags stands ${choice}, which is not offered: the options are ${letters}.`),
      ];
  }
}

/** Of two options, naming the wrong one would name the right one. */
function wrongChoice({ choice }: Grade, { options }: Pick<ScienceTask, 'options'>): Feedback {
  return world(options.length > 2 ? `Option ${choice} is wrong.` : 'The chosen option is wrong.');
}

function rightOption({ options, answer }: Pick<ScienceTask, 'options' | 'answer'>): Feedback {
  const text = options.find(({ letter }) => letter === answer)?.text ?? '';
  return world(`The right option is ${answer}: ${text}`);
}

function quoted(text: string): string {
  return JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 57)}...`);
}

function format(text: string): Feedback {
  return { kind: FeedbackKind.FORMAT, text, visibility: FeedbackVisibility.TEACHER };
}

function world(text: string): Feedback {
  return { kind: FeedbackKind.ENVIRONMENT, text, visibility: FeedbackVisibility.TEACHER };
}
