/** Reads task files, JSONL or parquet, and says of every malformed row which file, row and field. */
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { refusedTest } from '../judging/run-of-test.js';
import { taskProgramProblems } from '../judging/task-program-problems.js';
import type { SandboxLanguage } from '../sandbox/sandbox.js';
import { chooseTests } from './choose-tests.js';
import { liveCodeBenchRow } from './live-code-bench-row.js';
import { ownRow } from './own-row.js';
import { humanEvalRow, mbppRow } from './published-rows.js';
import { sdpoRow } from './sdpo-row.js';
import { type PlacedRow, readRows, UnreadableFile } from './read-rows.js';
import type { CodingTask, TaskRow } from './task.js';
import { TaskFileError } from './task-file-error.js';

/** All tasks of the files, in order. `languages` are those that the sandbox runs. Throws TaskFileError. */
export async function readTasks(
  paths: readonly string[],
  languages: readonly SandboxLanguage[],
): Promise<readonly CodingTask[]> {
  const files = await Promise.all(paths.map(async (path) => ({ path, rows: await readFileRows(path) })));
  const problems: string[] = [];
  const tasks: CodingTask[] = [];
  const places = new Map<string, string>();
  for (const { path, rows } of files) {
    if (rows.length === 0) problems.push(`${path}: holds no task`);
    for (const placed of rows) {
      for (const task of parseRow(placed, languages)) {
        if (typeof task === 'string') {
          problems.push(`${placed.place}: ${task}`);
          continue;
        }
        const twin = places.get(task.id);
        if (twin !== undefined) problems.push(`${placed.place}: task_id "${task.id}" is that of ${twin} too`);
        places.set(task.id, placed.place);
        tasks.push(task);
      }
    }
  }
  if (problems.length > 0) throw new TaskFileError(problems);
  return tasks;
}

async function readFileRows(path: string): Promise<readonly PlacedRow[]> {
  try {
    return await readRows(path, await readFile(path));
  } catch (error) {
    const why =
      error instanceof UnreadableFile ? error.message : (troubles[codeOf(error)] ?? `gives ${String(error)}`);
    throw new TaskFileError([
      `The task file ${path} cannot be read: it ${why}; BACKSIGHT_TASKS names the files.`,
    ]);
  }
}

const troubles: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EISDIR: 'is a folder',
  EACCES: 'is not for this user to read',
};

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

/** The tasks of a row, or what is wrong with it. */
function parseRow(
  placed: PlacedRow,
  languages: readonly SandboxLanguage[],
): readonly (CodingTask | string)[] {
  if ('problem' in placed) return [placed.problem];
  const parsed = shapeOf(placed.row).safeParse(placed.row);
  if (!parsed.success) return parsed.error.issues.map(wordIssue);
  return parsed.data.map((read) => {
    if (!languages.some(({ name }) => name === read.language)) {
      const names = languages.map(({ name }) => name).join(', ');
      return `language: "${read.language}" is none that this judge runs (${names})`;
    }
    const refused = read.tests.map((test) => refusedTest(test, read.language, languages));
    const at = refused.findIndex((why) => why !== undefined);
    if (at >= 0) return `tests[${at}]: ${refused[at] ?? ''}`;
    const [problem] = taskProgramProblems(read, read.tests, languages);
    return problem === undefined ? chooseTests(read) : `${problem.field}: ${problem.description}`;
  });
}

function shapeOf(row: object): z.ZodType<readonly TaskRow[]> {
  if ('entry_point' in row) return alone(humanEvalRow);
  if ('question_content' in row) return liveCodeBenchRow;
  if ('reward_model' in row) return alone(sdpoRow);
  return alone('test_list' in row ? mbppRow : ownRow);
}

function alone(row: z.ZodType<TaskRow>): z.ZodType<readonly TaskRow[]> {
  return row.transform((task) => [task]);
}

/** For example `tests[3].input: expected string, received number`. */
function wordIssue({ path, message }: z.core.$ZodIssue): string {
  const field = path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : `${at === 0 ? '' : '.'}${String(part)}`))
    .join('');
  const words = message.replace(/^Invalid input: /, '');
  return field === '' ? words : `${field}: ${words}`;
}
