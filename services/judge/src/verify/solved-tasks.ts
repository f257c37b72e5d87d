/** Tasks as published, each with the solution its authors give. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { readTasks } from '../coding/read-tasks.js';
import type { CodingTask } from '../coding/task.js';

/** A task and a program that solves it. */
export interface SolvedTask {
  readonly task: CodingTask;
  /** What comes before the part that may be mutated, such as the head of a function. */
  readonly head: string;
  readonly solution: string;
}

const row = z.union([
  z
    .object({ prompt: z.string(), canonical_solution: z.string() })
    .transform((each) => ({ head: each.prompt, solution: each.canonical_solution })),
  z
    .object({ code: z.string() })
    .transform((each) => ({ head: '', solution: each.code.replaceAll('\r\n', '\n') })),
]);

/** Reads a file of HumanEval or MBPP the way the judge does, and the solutions beside the tasks. */
export async function readSolvedTasks(path: string): Promise<readonly SolvedTask[]> {
  const tasks = await readTasks([path], [{ name: 'python', version: '', runs: ['stdio', 'call', 'check'] }]);
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line.trim() !== '');
  return tasks.map((task, index) => ({ task, ...row.parse(JSON.parse(lines[index] ?? '')) }));
}
