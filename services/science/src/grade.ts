/** Grades an answer: does it choose the right option? */
import { type AnswerForm, type FormFault, readChoice } from './answer.js';
import type { ScienceTask } from './science-task.js';

/**
 * Which answers may be right. `any-form` is the published reference: what is read as the choice must equal the right
 * letter, tags or none. `valid-form` asks for the form as well, so that no reward teaches another one.
 */
export const gradings = ['any-form', 'valid-form'] as const;

/** One of the two. */
export type Grading = (typeof gradings)[number];

/** What is wrong with an answer, if anything; the first that is. */
export type ScienceVerdict = 'solved' | 'format' | 'choice';

/** What an answer is worth. */
export interface Grade {
  readonly verdict: ScienceVerdict;
  readonly form: FormFault;
  /** As written, for people: not always a letter. */
  readonly choice: string;
}

/** Grades an answer to a task. */
export function grade(
  { options, answer }: Pick<ScienceTask, 'options' | 'answer'>,
  text: string,
  { form: asked, grading }: { readonly form: AnswerForm; readonly grading: Grading },
): Grade {
  const letters = options.map(({ letter }) => letter);
  const { form, text: choice } = readChoice(text, letters, asked);
  const counts = form === 'valid' || (grading === 'any-form' && letters.includes(choice));
  if (!counts) return { verdict: 'format', form, choice };
  return { verdict: choice === answer ? 'solved' : 'choice', form, choice };
}
