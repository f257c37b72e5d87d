/** HumanEval and MBPP rows as their authors publish them, told apart from our own by their fields. */
import { z } from 'zod';
import type { Test } from '../judging/submission.js';
import { defaultChecker, titleOf } from './own-row.js';
import type { TaskRow } from './task.js';

const pythonTask = {
  language: 'python',
  answerFormat: 'fenced',
  rewardTests: undefined,
  checker: defaultChecker,
  limits: {},
} as const;

/** openai/human-eval: the prompt is the head of a function, `test` defines `check(candidate)`. */
export const humanEvalRow = z
  .object({
    task_id: z.string().min(1),
    prompt: z.string().min(1),
    entry_point: z.string().min(1),
    test: z.string().min(1),
  })
  .transform((row): TaskRow => {
    const check = `${row.test}\n\ncheck(${row.entry_point})\n`;
    return {
      ...pythonTask,
      id: row.task_id,
      split: 'test',
      title: row.entry_point,
      messages: [
        {
          role: 'user',
          content:
            'Complete this Python function. Answer with the whole function in one fenced ```python block.\n\n' +
            `\`\`\`python\n${row.prompt.trimEnd()}\n\`\`\``,
        },
      ],
      prelude: headOf(row.prompt, row.entry_point),
      // Its one check holds every expected value: shown in feedback, it would hand out the answers.
      tests: [{ kind: 'assert', code: check, hidden: true }],
    };
  });

/** google-research MBPP: the first assertion is part of the question, since only it names the function. */
export const mbppRow = z
  .object({
    task_id: z.union([z.int(), z.string().min(1)], 'must be a text or a whole number'),
    text: z.string().min(1),
    test_setup_code: z.string().default(''),
    test_list: z.array(z.string().min(1)).min(1),
    challenge_test_list: z.array(z.string().min(1)).default([]),
  })
  .transform((row): TaskRow => {
    const setup = unixLines(row.test_setup_code);
    const test =
      (hidden: boolean) =>
      (assertion: string): Test => {
        const code = unixLines(assertion);
        return { kind: 'assert', code: setup === '' ? code : `${setup}\n${code}`, hidden };
      };
    return {
      ...pythonTask,
      id: `MBPP/${row.task_id}`,
      split: splitOfMbpp(Number(row.task_id)),
      title: titleOf(row.text),
      messages: [
        {
          role: 'user',
          content:
            `${unixLines(row.text)}\n\nYour program must satisfy this test:\n\n` +
            `\`\`\`python\n${unixLines(row.test_list[0] ?? '')}\n\`\`\`\n\n` +
            'Answer with the whole program in one fenced ```python block.',
        },
      ],
      prelude: '',
      tests: [...row.test_list.map(test(false)), ...row.challenge_test_list.map(test(true))],
    };
  });

/** What stands before the function: imports and helpers that an answer may leave out. */
function headOf(prompt: string, entryPoint: string): string {
  const lines = prompt.split('\n');
  const at = lines.findIndex((line) => line.startsWith(`def ${entryPoint}(`));
  const head = lines.slice(0, Math.max(at, 0)).join('\n');
  return head.trim() === '' ? '' : `${head}\n`;
}

/** The published split by number. */
function splitOfMbpp(id: number): string {
  if (id <= 10) return 'prompt';
  if (id <= 510) return 'test';
  return id <= 600 ? 'validation' : 'train';
}

function unixLines(text: string): string {
  return text.replaceAll('\r\n', '\n').trimEnd();
}
