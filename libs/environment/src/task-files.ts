/** Reads task files, one JSON value a line; whatever is wrong is named by file, line and field. */
import { readFile } from 'node:fs/promises';

/** What is wrong with the task files: one line per problem. */
export class TaskFileError extends Error {
  override readonly name = 'TaskFileError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/** A task, or all that is wrong with its row, as `field: what is wrong`. */
export type RowReading<T> =
  | { readonly kind: 'task'; readonly task: T }
  | { readonly kind: 'problems'; readonly problems: readonly string[] };

/** Problems told at once; a file of another format has one on every line. */
const mostProblems = 10;

/**
 * Reads all tasks, in the order of files and lines. `readRow` makes a task of a row, whose JSON value it is given with
 * the name of the file. Throws TaskFileError: nothing is served while anything is wrong.
 */
export async function readTaskFiles<T extends { readonly taskId: string }>(
  files: readonly string[],
  readRow: (row: unknown, file: string) => RowReading<T>,
): Promise<readonly T[]> {
  const problems: string[] = [];
  const tasks: T[] = [];
  const places = new Map<string, string>();
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      problems.push(`${file}: ${unreadable(error)}`);
      return '';
    });
    for (const [index, line] of text.split('\n').entries()) {
      if (line.trim() === '') continue;
      const place = `${file}:${index + 1}`;
      const reading = readLine(line, file, readRow);
      if (reading.kind === 'problems') {
        problems.push(...reading.problems.map((problem) => `${place}: ${problem}`));
        continue;
      }
      const { task } = reading;
      const earlier = places.get(task.taskId);
      if (earlier !== undefined)
        problems.push(`${place}: the task "${task.taskId}" is in ${earlier} already`);
      places.set(task.taskId, place);
      tasks.push(task);
    }
  }
  if (problems.length === 0 && tasks.length === 0) problems.push(`there is no task in ${files.join(', ')}`);
  if (problems.length > 0) throw new TaskFileError(first(problems));
  return tasks;
}

/** A problem with a field, in words: `a.b[0]: what is wrong`. */
export function fieldProblem(path: readonly PropertyKey[], message: string): string {
  const name = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return name === '' ? message : `${name.replace(/^\./, '')}: ${message}`;
}

function readLine<T>(
  line: string,
  file: string,
  readRow: (row: unknown, file: string) => RowReading<T>,
): RowReading<T> {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch {
    return { kind: 'problems', problems: ['is not JSON'] };
  }
  return readRow(row, file);
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
