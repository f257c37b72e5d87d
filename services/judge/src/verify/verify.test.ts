import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findPython } from '../sandbox/find-python.js';
import { openRealSandbox, whyNoSandbox } from '../sandbox/real-sandbox.js';
import type { Sandbox } from '../sandbox/sandbox.js';
import { readSolvedTasks } from './solved-tasks.js';
import { verifyRules } from './verify-rules.js';
import { verifySolutions } from './verify-solutions.js';

const fixture = (name: string): string => resolve(import.meta.dirname, '../../fixtures', name);
const missing = await whyNoSandbox();
const where = missing === undefined ? describe : describe.skip;

where(`verifySolutions${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await openRealSandbox();
  });
  afterAll(async () => {
    await sandbox.close();
  });

  it.each(['humaneval', 'mbpp'])('accepts solutions of %s and rejects a mutant of each', async (name) => {
    const tasks = (await readSolvedTasks(fixture(`${name}.jsonl`))).slice(20, 35);
    expect(tasks).toHaveLength(15);
    const report = await verifySolutions(sandbox, tasks, new AbortController().signal);
    expect(report).toMatchObject({ tasks: 15, accepted: 15, twinsRejected: 15, refused: [], unnoticed: [] });
  });

  it('notices a solution that is none, and tests that notice nothing', async () => {
    const [solved] = await readSolvedTasks(fixture('mbpp.jsonl'));
    const tasks = [
      { ...solved!, solution: 'def min_cost(a, b, c):\n    return 1 + 1\n' },
      {
        ...solved!,
        task: {
          ...solved!.task,
          id: 'weak',
          tests: [{ kind: 'assert', code: 'pass', hidden: false } as const],
        },
      },
    ];
    const report = await verifySolutions(sandbox, tasks, new AbortController().signal);
    expect(report).toMatchObject({ accepted: 1, refused: ['MBPP/1: wrong_answer'], unnoticed: ['weak'] });
  });
});

describe('verifyRules', () => {
  it('agrees with the oracle on every close call', async () => {
    const { path } = await findPython(undefined);
    const report = await verifyRules(path, fixture('live_code_bench_oracle.py'), 4000, 1);
    expect(report).toMatchObject({ cases: 4000, agreed: 4000, disagreements: [] });
    // Both rules, both ways.
    expect(report.accepted).toBeGreaterThan(1000);
    expect(report.accepted).toBeLessThan(3000);
  });
});
