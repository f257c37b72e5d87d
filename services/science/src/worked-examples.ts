/** Worked examples: questions with replies in the right form, shown before every question to policies that need them. */
import { fieldProblem, type Message, readTaskFiles, type RowReading } from '@backsight/environment';
import { z } from 'zod';
import { type AnswerForm, readChoice } from './answer.js';
import { mostOptions, optionLines, withLetters } from './options.js';
import type { ScienceTask } from './science-task.js';

/** A row of a file of worked examples. */
const workedRow = z.strictObject({
  id: z.string().min(1),
  question: z.string().min(1),
  options: z.array(z.string().min(1)).min(2).max(mostOptions),
  reply: z.string().min(1),
});

/** A question and what an assistant replies. */
export interface WorkedExample {
  readonly taskId: string;
  readonly question: string;
  readonly reply: string;
}

/** Reads all worked examples; of no file, none. Throws TaskFileError, also of a reply that is not in the right form. */
export const readWorkedExamples = (
  files: readonly string[],
  form: AnswerForm,
): Promise<readonly WorkedExample[]> =>
  files.length === 0 ? Promise.resolve([]) : readTaskFiles(files, (row) => readRow(row, form));

/** The task, with the examples as turns of the conversation between its system message and its question. */
export function withWorkedExamples(task: ScienceTask, examples: readonly WorkedExample[]): ScienceTask {
  const turns: readonly Message[] = examples.flatMap(({ question, reply }) => [
    { role: 'user', content: question },
    { role: 'assistant', content: reply },
  ]);
  const system = task.messages.filter(({ role }) => role === 'system');
  const others = task.messages.filter(({ role }) => role !== 'system');
  return { ...task, messages: [...system, ...turns, ...others] };
}

function readRow(row: unknown, asked: AnswerForm): RowReading<WorkedExample> {
  const checked = workedRow.safeParse(row);
  if (!checked.success) {
    const { issues } = checked.error;
    return { kind: 'problems', problems: issues.map(({ path, message }) => fieldProblem(path, message)) };
  }
  const { id, question, reply } = checked.data;
  const options = withLetters(checked.data.options);
  const { form } = readChoice(
    reply,
    options.map(({ letter }) => letter),
    asked,
  );
  if (form !== 'valid') return { kind: 'problems', problems: [`reply: has not the right form (${form})`] };
  return { kind: 'task', task: { taskId: id, question: `${question}\n\n${optionLines(options)}`, reply } };
}
