/** Reads tool-use tasks from JSON-lines files; whatever is wrong is named by file and line. */
import { createHash } from 'node:crypto';
import { fieldProblem, readTaskFiles as readFiles, type RowReading } from '@backsight/environment';
import { z } from 'zod';
import type { JsonObject } from './json-object.js';
import { readObject } from './json-object.js';
import type { GoldCall, ToolTask } from './tool-task.js';

/** Of the tasks that name no split, this share is held out. */
const heldOutShare = 0.2;

const message = z.object({ role: z.string().min(1), content: z.string() });

/** A row as the published data set has it, beside columns that no one reads; `id`, `title` and `split` are our own. */
const row = z.object({
  id: z.string().min(1).optional(),
  idx: z.number().int().nonnegative().optional(),
  dataset: z.string().min(1).nullish(),
  title: z.string().optional(),
  split: z.string().min(1).optional(),
  system: z.string().nullish(),
  prompt: z.union(
    [z.string().min(1), z.array(message).min(1)],
    'must be a text or a list of {role, content}',
  ),
  answer: z.union(
    [z.string(), z.array(z.unknown())],
    'must be a list of {Action, Action_Input}, or its JSON text',
  ),
});

const goldCall = z.object({
  Action: z.string().min(1),
  Action_Input: z.union([z.string(), z.looseObject({})], 'must be an object, or its JSON text'),
});

/** Reads all tasks, in the order of files and lines. Throws TaskFileError. */
export const readTaskFiles = (files: readonly string[]): Promise<readonly ToolTask[]> =>
  readFiles(files, readRow);

/** The task of a row, or what is wrong with it. */
function readRow(value: unknown): RowReading<ToolTask> {
  const checked = row.safeParse(value);
  if (!checked.success) return wrong(checked.error.issues.map(issueOf));
  const { id, idx, dataset, title, split, system, prompt, answer } = checked.data;
  const taskId = id ?? (idx === undefined ? undefined : `${dataset ?? 'tooluse'}/${idx}`);
  if (taskId === undefined) return wrong(['id: give each task an id, or the idx of the published rows']);
  const gold = readAnswer(answer);
  if (Array.isArray(gold)) return wrong(gold);
  const messages = typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : prompt;
  const task = {
    taskId,
    title: title ?? titleOf(messages.at(-1)?.content ?? ''),
    split: split ?? hashedSplit(taskId),
    messages: system ? [{ role: 'system', content: system }, ...messages] : messages,
    gold: gold.calls,
  };
  return { kind: 'task', task };
}

const wrong = (problems: readonly string[]): RowReading<ToolTask> => ({ kind: 'problems', problems });

function readAnswer(answer: string | unknown[]): { readonly calls: readonly GoldCall[] } | string[] {
  const value = typeof answer === 'string' ? parseJson(answer)?.value : answer;
  const checked = z.array(goldCall).min(1).safeParse(value);
  if (!checked.success) {
    return value === undefined
      ? ['answer: is not the JSON text of a list of {Action, Action_Input}']
      : checked.error.issues.map((issue) => issueOf({ ...issue, path: ['answer', ...issue.path] }));
  }
  const problems: string[] = [];
  const calls = checked.data.map(({ Action, Action_Input }, index) => {
    const input = readInput(Action_Input);
    if (input === undefined) problems.push(`answer[${index}].Action_Input: is not a JSON object`);
    const optional = Action.startsWith('[Optional]');
    return {
      action: optional ? Action.slice('[Optional]'.length).trim() : Action,
      input: input ?? {},
      optional,
    };
  });
  if (calls.every(({ optional }) => optional)) problems.push('answer: every call is optional');
  return problems.length > 0 ? problems : { calls };
}

function readInput(input: string | Record<string, unknown>): JsonObject | undefined {
  const text = typeof input === 'string' ? input.trim() : JSON.stringify(input);
  if (text === '') return {};
  const reading = readObject(text, 0);
  return reading.kind === 'object' && reading.end === text.length ? reading.value : undefined;
}

function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** As `fieldProblem` words it. */
const issueOf = ({ path, message: problem }: Pick<z.core.$ZodIssue, 'path' | 'message'>): string =>
  fieldProblem(path, problem);

/** What is asked, behind the documentation of the tools. */
function titleOf(prompt: string): string {
  const question = (prompt.split('Question:').at(-1) ?? prompt).trim().replaceAll(/\s+/g, ' ');
  return question.length <= 100 ? question : `${question.slice(0, 97)}...`;
}

/** `test` or `train`, from the task's identity alone: adding tasks moves none between splits. */
function hashedSplit(taskId: string): string {
  const hash = createHash('sha256').update(taskId).digest().readUInt32BE(0);
  return hash / 2 ** 32 < heldOutShare ? 'test' : 'train';
}
