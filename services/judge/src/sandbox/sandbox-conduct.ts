/** How a sandbox runs programs, whatever its kind: fresh each time, told of in full, and over when nobody wants them. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Verdict } from '@backsight/contract/judge';
import type { Judgement, Test } from '../judging/submission.js';
import { judgeProgram, printing } from '../trials/judge-program.js';
import { trialLimits } from '../trials/trial.js';
import type { Candidate } from './candidate.js';
import { traces } from './real-sandbox.js';
import type { RunLimits, Sandbox } from './sandbox.js';

/** Registers its tests; `missing` says in one sentence why they are skipped. */
export function describeConduct(candidate: Candidate, missing: string | undefined): void {
  const where = missing === undefined ? describe : describe.skip;
  const skipped = missing === undefined ? '' : ` (skipped: ${missing})`;
  where(`the conduct of the ${candidate.name} sandbox${skipped}`, () => {
    standConduct(candidate);
  });
}

function standConduct(candidate: Candidate): void {
  let sandbox: Sandbox;
  let before: Awaited<ReturnType<typeof traces>>;

  const judge = (source: string, tests: readonly Test[], limits?: Partial<RunLimits>): Promise<Judgement> =>
    judgeProgram(sandbox, source, tests, limits);

  beforeAll(async () => {
    before = await traces();
    sandbox = await candidate.open(2);
  });
  afterAll(async () => {
    await sandbox.close();
    expect(await candidate.remains()).toEqual([]);
    expect(await traces()).toEqual(before);
  });

  it('gives every test fresh state: variables, files, processes, modules', async () => {
    const source = [
      'import os, sys, math, time',
      'seen = [hasattr(math, "mark"), os.path.exists("/tmp/mark"), len([p for p in os.listdir("/proc") if p.isdigit()]) > 2]',
      'math.mark = 1',
      'open("/tmp/mark", "w").write("x")',
      'if os.fork() == 0:',
      '    os.setsid()',
      '    time.sleep(60)',
      'print(seen)',
    ].join('\n');
    const judgement = await judge(
      source,
      Array.from({ length: 4 }, () => printing('[False, False, False]')),
    );
    expect(judgement).toMatchObject({ verdict: Verdict.ACCEPTED, passed: 4 });
  });

  it('starts every run alike: random numbers and hashes repeat', async () => {
    const source = "import random\nprint(random.random(), hash('backsight'))";
    const outputs = new Set<string | undefined>();
    for (let time = 0; time < 2; time++) {
      for (const fate of (await judge(source, [printing('?'), printing('?')])).fates)
        outputs.add(fate.output);
    }
    expect(outputs.size).toBe(1);
  });

  it('goes on with the next test after one that broke a limit', async () => {
    const source = "import sys\nif input() == 'loop':\n    while True: pass\nprint('ok')";
    const judgement = await judge(source, [printing('ok', 'a'), printing('ok', 'loop'), printing('ok', 'b')]);
    expect(judgement.fates.map(({ verdict }) => verdict)).toEqual([
      Verdict.ACCEPTED,
      Verdict.TIME_LIMIT,
      Verdict.ACCEPTED,
    ]);
  });

  it('says how a program died: exception, exit code, signal', async () => {
    const source = [
      'import os, sys, signal',
      'how = input()',
      'if how == "exit": sys.exit(3)',
      'if how == "kill": os.kill(os.getpid(), signal.SIGSEGV)',
      'raise KeyError(how)',
    ].join('\n');
    const { fates } = await judge(
      source,
      ['exit', 'kill', 'other'].map((how) => printing('', how)),
    );
    expect(fates).toMatchObject([
      { exitCode: 3, error: { message: 'Exited with code 3' } },
      { signal: 11, error: { message: 'Killed by SIGSEGV' } },
      { exitCode: 1, error: { type: 'KeyError', message: "'other'", lines: [5] } },
    ]);
  });

  it('calls functions and methods of Solution, and passes back values alone', async () => {
    const source = [
      'class Solution:',
      '    def add(self, a: List[int], b: int) -> List[int]:',
      '        return [x + b for x in a]',
      'class Equal:',
      '    def __eq__(self, other): return True',
      'def forged(): return Equal()',
      'def gone(): import os; os._exit(0)',
      'def big(): return 2**64 + 1',
    ].join('\n');
    const call = (name: string, argumentsJson: readonly string[], expectedJson: string): Test => ({
      kind: 'call',
      name,
      argumentsJson,
      expectedJson,
      hidden: false,
    });
    const { fates } = await judge(source, [
      call('add', ['[1, 2]', '3'], '[4, 5]'),
      call('forged', [], '1'),
      call('gone', [], 'null'),
      call('big', [], '18446744073709551617'),
      call('big', [], '18446744073709551616'),
      call('missing', [], '1'),
    ]);
    expect(fates.map(({ verdict }) => verdict)).toEqual([
      Verdict.ACCEPTED,
      Verdict.WRONG_ANSWER,
      Verdict.RUNTIME_ERROR,
      Verdict.ACCEPTED,
      Verdict.WRONG_ANSWER,
      Verdict.RUNTIME_ERROR,
    ]);
  });

  it('runs checks after the program, whatever it patched or however it left', async () => {
    const check = (code: string): Test => ({ kind: 'assert', code, hidden: false });
    const honest = await judge('def f(x): return x + 1', [
      check('assert f(1) == 2'),
      check('assert f(1) == 3'),
    ]);
    expect(honest.fates.map(({ verdict }) => verdict)).toEqual([Verdict.ACCEPTED, Verdict.WRONG_ANSWER]);
    const patched = 'import builtins\nbuiltins.AssertionError = builtins.abs = print\ndef f(x): return 0';
    expect(await judge(patched, [check('assert abs(f(1)) == 1')])).toMatchObject({
      verdict: Verdict.WRONG_ANSWER,
    });
    for (const leave of ['sys.exit()', 'os._exit(0)']) {
      const fled = await judge(`import os, sys\ndef f(x): ${leave}`, [check('assert f(1) == 2')]);
      expect(fled).toMatchObject({ verdict: Verdict.RUNTIME_ERROR });
    }
  });

  it.each([
    ['a syntax error', 'x = = 1', 'SyntaxError'],
    ['a null byte', 'x = 1\0', ''],
    ['parentheses without end', '('.repeat(100_000), ''],
    ['a nest of minus signs', `x = ${'-'.repeat(200_000)}1`, ''],
  ])('does not compile %s', async (_name, source, type) => {
    const judgement = await judge(source, [printing('')], { cpuMs: 2000 });
    expect(judgement).toMatchObject({ verdict: Verdict.COMPILE_ERROR, fates: [] });
    if (type !== '') expect(judgement.compileError?.type).toBe(type);
  });

  it('kills the whole tree at once when the caller goes away, and is ready for the next', async () => {
    const gone = new AbortController();
    const source = 'import os, time\nif input() == "stay":\n for _ in range(3): os.fork()\n time.sleep(60)';
    const inputs = ['leave\n', 'stay\n'].map((text) => Buffer.from(text));
    const job = {
      language: 'python',
      source,
      files: [],
      runs: inputs.map((input) => ({ kind: 'stdio' as const, input })),
      limits: { ...trialLimits, wallMs: 60_000 },
    };
    const events = sandbox.execute(job, gone.signal);
    expect((await events.next()).value).toEqual({ kind: 'compiled' });
    expect((await events.next()).value).toMatchObject({ kind: 'ran', run: 0 });
    const rest = events.next();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const aborted = performance.now();
    gone.abort();
    await expect(rest).rejects.toMatchObject({ name: 'AbortError' });
    expect(performance.now() - aborted).toBeLessThan(2000);
    expect(await candidate.stillRunning()).toEqual([]);
    expect(await judge('print(1)', [printing('1')])).toMatchObject({ verdict: Verdict.ACCEPTED });
  });
}
