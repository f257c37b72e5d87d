/** Reads tool-use tasks from JSON-lines files; whatever is wrong is named by file and line. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { JsonObject } from './json-object.js';
import { readObject } from './json-object.js';
import type { GoldCall, ToolTask } from './tool-task.js';

/** What is wrong with the task files: one line per problem. */
export class TaskFileError extends Error {
  override readonly name = 'TaskFileError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/** Problems told at once; a file of another format has one on every line. */
const mostProblems = 10;

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
  prompt: z.union([z.string().min(1), z.array(message).min(1)]),
  answer: z.union([z.string(), z.array(z.unknown())]),
});

const goldCall = z.object({
  Action: z.string().min(1),
  Action_Input: z.union([z.string(), z.looseObject({})]),
});

/** Reads all tasks, in the order of files and lines. Throws TaskFileError. */
export async function readTaskFiles(files: readonly string[]): Promise<readonly ToolTask[]> {
  const problems: string[] = [];
  const tasks = new Map<string, ToolTask>();
  const places = new Map<string, string>();
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      problems.push(`${file}: ${unreadable(error)}`);
      return '';
    });
    for (const [index, line] of text.split('\n').entries()) {
      if (line.trim() === '') continue;
      const place = `${file}:${index + 1}`;
      const reading = readRow(line);
      if (Array.isArray(reading)) {
        problems.push(...reading.map((problem) => `${place}: ${problem}`));
        continue;
      }
      const earlier = places.get(reading.taskId);
      if (earlier !== undefined)
        problems.push(`${place}: the task "${reading.taskId}" is in ${earlier} already`);
      places.set(reading.taskId, place);
      tasks.set(reading.taskId, reading);
    }
  }
  if (problems.length === 0 && tasks.size === 0) problems.push(`there is no task in ${files.join(', ')}`);
  if (problems.length > 0) throw new TaskFileError(first(problems));
  return [...tasks.values()];
}

/** The task of a line, or what is wrong with it. */
function readRow(line: string): ToolTask | string[] {
  const parsed = parseJson(line);
  if (parsed === undefined) return ['is not JSON'];
  const checked = row.safeParse(parsed.value);
  if (!checked.success) return checked.error.issues.map(issueOf);
  const { id, idx, dataset, title, split, system, prompt, answer } = checked.data;
  const taskId = id ?? (idx === undefined ? undefined : `${dataset ?? 'tooluse'}/${idx}`);
  if (taskId === undefined) return ['id: give each task an id, or the idx of the published rows'];
  const gold = readAnswer(answer);
  if (Array.isArray(gold)) return gold;
  const messages = typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : prompt;
  return {
    taskId,
    title: title ?? titleOf(messages.at(-1)?.content ?? ''),
    split: split ?? hashedSplit(taskId),
    messages: system ? [{ role: 'system', content: system }, ...messages] : messages,
    gold: gold.calls,
  };
}

function readAnswer(answer: string | unknown[]): { readonly calls: readonly GoldCall[] } | string[] {
  const value = typeof answer === 'string' ? parseJson(answer)?.value : answer;
  const checked = z.array(goldCall).min(1).safeParse(value);
  if (!checked.success) {
    return value === undefined
      ? ['answer: is not the JSON text of a list of {Action, Action_Input}']
      : checked.error.issues.map((issue) => `answer${issueOf({ ...issue, path: ['', ...issue.path] })}`);
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

/** `a.b[0]: what is wrong`. */
function issueOf({ path, message: problem }: Pick<z.core.$ZodIssue, 'path' | 'message'>): string {
  const name = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return `${name.replace(/^\./, '')}: ${problem}`;
}

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

function unreadable(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'is a folder; name the files in it';
  return `cannot be read (${code})`;
}

function first(problems: readonly string[]): readonly string[] {
  const more = problems.length - mostProblems;
  return more > 0 ? [...problems.slice(0, mostProblems), `and ${more} more problems`] : problems;
}
