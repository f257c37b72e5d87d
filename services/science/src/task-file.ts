/** Reads multiple-choice tasks from JSON-lines files; whatever is wrong is named by file, line and field. */
import { basename, dirname, extname, resolve } from 'node:path';
import {
  fieldProblem,
  type Message,
  readTaskFiles as readFiles,
  type RowReading,
} from '@backsight/environment';
import { z } from 'zod';
import type { AnswerForm } from './answer.js';
import { mostOptions, optionLines, readOptions, withLetters } from './options.js';
import type { Option, ScienceTask } from './science-task.js';

/** What the policy is told where a letter alone is asked for, whatever the row says. */
export const letterSystem = 'Answer the question with the letter of the right option.';

/** What the policy is told where a row of our own format brings no `system`. */
export const defaultSystem = [
  'Choose the right option. Answer in this form:',
  '<reasoning>',
  '...',
  '</reasoning>',
  '<answer>',
  'the letter of your choice alone',
  '</answer>',
].join('\n');

const identity = {
  id: z.string().min(1).optional(),
  title: z.string().optional(),
  split: z.string().min(1).optional(),
};

/** A row as the published data has it, beside columns that no one reads; `id`, `title` and `split` are our own. */
const publishedRow = z.object({
  ...identity,
  idx: z.number().int().nonnegative(),
  kind: z.literal('mcq').optional(),
  system: z.string().nullish(),
  prompt: z.string().min(1),
  answer: z.string(),
});

/** A row of our own. */
const ownRow = z.strictObject({
  ...identity,
  id: z.string().min(1),
  system: z.string().optional(),
  question: z.string().min(1),
  options: z.array(z.string().min(1)).min(2).max(mostOptions),
  answer: z.string(),
});

/**
 * Reads all tasks, in the order of files and lines. With the form `tags`, prompts are as the rows have them; with
 * `letter`, question and options are kept and what the row says of the form is not. Throws TaskFileError.
 */
export const readTaskFiles = (files: readonly string[], form: AnswerForm): Promise<readonly ScienceTask[]> =>
  readFiles(files, (row, file) => readRow(row, { ...placeOf(file), form }));

/** The task of a row, or what is wrong with it. */
function readRow(value: unknown, place: Reader): RowReading<ScienceTask> {
  const own = typeof value === 'object' && value !== null && 'question' in value;
  return own ? readOwn(value, place) : readPublished(value, place);
}

function readPublished(value: unknown, place: Reader): RowReading<ScienceTask> {
  const checked = publishedRow.safeParse(value);
  if (!checked.success) return wrong(checked.error);
  const { id, idx, prompt, system, ...rest } = checked.data;
  const question = prompt.split(/\n\s*A:/, 1)[0] ?? prompt;
  const taskId = id ?? `${place.domain}/${idx}`;
  return taskOf(
    { ...rest, taskId, question, prompt, system: system ?? '', options: readOptions(prompt) },
    place,
  );
}

function readOwn(value: unknown, place: Reader): RowReading<ScienceTask> {
  const checked = ownRow.safeParse(value);
  if (!checked.success) return wrong(checked.error);
  const { id, question, system = defaultSystem, ...rest } = checked.data;
  const options = withLetters(rest.options);
  const prompt = `${question}\n\n${optionLines(options)}`;
  return taskOf({ ...rest, taskId: id, question, prompt, system, options }, place);
}

/** What both formats come to. */
interface Draft {
  readonly taskId: string;
  readonly title?: string | undefined;
  readonly split?: string | undefined;
  /** The question without its options. */
  readonly question: string;
  readonly prompt: string;
  /** Empty: none. */
  readonly system: string;
  readonly options: readonly Option[];
  readonly answer: string;
}

function taskOf(draft: Draft, place: Reader): RowReading<ScienceTask> {
  const { taskId, title, system, prompt, options, answer } = draft;
  const split = draft.split ?? place.split;
  const letters = options.map(({ letter }) => letter);
  const problems = [
    ...(letters.length < 2 ? ['prompt: has no two lines "A: ...", "B: ..." with options'] : []),
    ...(letters.length >= 2 && !letters.includes(answer)
      ? [`answer: must be one of ${letters.join(', ')}, is ${JSON.stringify(answer)}`]
      : []),
    ...(split === undefined
      ? ['split: give each task one, or name the file after it, as in train.jsonl']
      : []),
  ];
  if (problems.length > 0 || split === undefined) return { kind: 'problems', problems };
  const messages =
    place.form === 'letter'
      ? conversation(letterSystem, `${draft.question.trim()}\n\n${optionLines(options)}`)
      : conversation(system, prompt);
  return {
    kind: 'task',
    task: { taskId, title: title ?? titleOf(draft.question), split, messages, options, answer },
  };
}

function conversation(system: string, prompt: string): readonly Message[] {
  return [...(system === '' ? [] : [{ role: 'system', content: system }]), { role: 'user', content: prompt }];
}

/** What a file's name says of its rows. */
interface Place {
  /** For example `physics`. */
  readonly domain: string;
  readonly split: string | undefined;
}

/** Of `physics/train.jsonl` and of `physics-train.jsonl` alike: domain `physics`, split `train`. */
function placeOf(file: string): Place {
  const path = resolve(file);
  const name = basename(path, extname(path));
  const found = /^(?:(.+)[-_.])?(train|test|validation)$/.exec(name);
  return { domain: found === null ? name : (found[1] ?? basename(dirname(path))), split: found?.[2] };
}

/** What a row is read with. */
interface Reader extends Place {
  readonly form: AnswerForm;
}

function wrong(error: z.ZodError): RowReading<ScienceTask> {
  return { kind: 'problems', problems: error.issues.map(({ path, message }) => fieldProblem(path, message)) };
}

function titleOf(question: string): string {
  const text = question.trim().replaceAll(/\s+/g, ' ');
  return text.length <= 100 ? text : `${text.slice(0, 97)}...`;
}
