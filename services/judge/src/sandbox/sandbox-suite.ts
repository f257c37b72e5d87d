/** The conformance suite of sandboxes: what any of them must contain and accept, and leave nothing behind. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import { soak } from '../bench/soak.js';
import { judgeSubmission } from '../judging/judge-submission.js';
import type { Judgement } from '../judging/submission.js';
import { cppPrograms } from '../trials/cpp-programs.js';
import { goPrograms } from '../trials/go-programs.js';
import { honestPrograms } from '../trials/honest-programs.js';
import { javaPrograms } from '../trials/java-programs.js';
import { javascriptPrograms } from '../trials/javascript-programs.js';
import { judgeProgram, never, printing } from '../trials/judge-program.js';
import { reachAttacks } from '../trials/reach-attacks.js';
import { resourceAttacks } from '../trials/resource-attacks.js';
import { rustPrograms } from '../trials/rust-programs.js';
import { type Trial, trialLimits } from '../trials/trial.js';
import { verdictAttacks } from '../trials/verdict-attacks.js';
import type { Candidate } from './candidate.js';
import { breachOf, examine } from './doctor.js';
import { traces } from './real-sandbox.js';
import type { Sandbox } from './sandbox.js';

const attacks = [...resourceAttacks, ...reachAttacks, ...verdictAttacks];

function tryOut(
  sandbox: Sandbox,
  { language = 'python', source, input = '', expected = '', limits }: Trial,
): Promise<Judgement> {
  return judgeProgram(sandbox, source, [printing(expected, input)], { language, ...limits });
}

const bystander: Trial = {
  name: '',
  source: 'print(input())',
  input: '7',
  expected: '7',
  verdict: Verdict.ACCEPTED,
};

/**
 * Every attack, every right program, and a mix of both, through a real sandbox. Registers its tests; `missing` says in
 * one sentence why they are skipped.
 */
export function describeTrials(candidate: Candidate, missing: string | undefined): void {
  const where = missing === undefined ? describe : describe.skip;
  where(`the ${candidate.name} sandbox${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
    standTrials(candidate);
  });
}

function standTrials(candidate: Candidate): void {
  const some = <T>(trials: readonly T[]): readonly T[] =>
    trials.filter((_, index) => index % (candidate.oneIn ?? 1) === 0);
  let sandbox: Sandbox;
  let before: Awaited<ReturnType<typeof traces>>;

  beforeAll(async () => {
    before = await traces();
    sandbox = await candidate.open(2);
  });
  afterAll(async () => {
    await sandbox.close();
    expect(await candidate.remains()).toEqual([]);
    expect(await traces()).toEqual(before);
  });

  it('survives its own self-check beside each of its languages', async () => {
    expect(sandbox.languages[0]?.name).toBe('python');
    for (const { name } of sandbox.languages)
      expect(breachOf(await examine(sandbox, name, never))).toBeUndefined();
  }, 120_000);

  it.each(some(attacks))('contains $name', async (attack) => {
    // Another submission runs meanwhile, in the slot beside it or the one that the last attack had, and must not notice.
    const [judgement, meanwhile] = await Promise.all([tryOut(sandbox, attack), tryOut(sandbox, bystander)]);
    expect([attack.verdict, ...(attack.orVerdict ?? [])]).toContain(judgement.verdict);
    if (attack.limit !== undefined) expect(attack.limit).toContain(judgement.fates[0]?.limit);
    expect(meanwhile).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(await candidate.stillRunning()).toEqual([]);
  });

  it.each(some(honestPrograms))('accepts $name', async (honest) => {
    expect(await tryOut(sandbox, honest)).toMatchObject({
      verdict: Verdict.ACCEPTED,
      fates: [{ error: undefined, output: undefined }],
    });
  });

  it('runs programs in each of its languages', async () => {
    const others = [cppPrograms, javascriptPrograms, javaPrograms, rustPrograms, goPrograms];
    const firsts = [bystander, ...others.flatMap((programs) => programs.slice(0, 1))];
    for (const { name } of sandbox.languages) {
      const first = firsts.find(({ language = 'python' }) => language === name);
      expect(first).toBeDefined();
      if (first !== undefined)
        expect(await tryOut(sandbox, first)).toMatchObject({ verdict: Verdict.ACCEPTED });
    }
  }, 120_000);

  it("lets a task's own checker rule, and its interactor talk", async () => {
    const checker = {
      kind: CheckerKind.PROGRAM,
      absoluteTolerance: 0,
      relativeTolerance: 0,
      program: {
        language: 'python',
        source: 'import sys\nsys.exit(open(sys.argv[2]).read() != open(sys.argv[3]).read()[::-1])',
      },
    };
    const submission = {
      language: 'python',
      source: 'print(input()[::-1], end="", flush=True)',
      limits: trialLimits,
      stopAtFirstFailure: false,
      checker,
    };
    const stdio = { kind: 'stdio', input: 'abc', expected: 'abc', hidden: false } as const;
    const wrong = { ...stdio, expected: 'abd' };
    const ruled = await judgeSubmission(sandbox, { ...submission, tests: [stdio, wrong] }, never);
    expect(ruled.fates.map(({ verdict }) => verdict)).toEqual([Verdict.ACCEPTED, Verdict.WRONG_ANSWER]);
    const interactor = {
      language: 'python',
      source:
        'import sys\nword = open("input.txt").read()\nprint(word, flush=True)\nsys.exit(sys.stdin.read(3) != word[::-1])',
    };
    const tests = [{ ...stdio, kind: 'interactive' } as const];
    const talked = await judgeSubmission(sandbox, { ...submission, tests, interactor }, never);
    expect(talked).toMatchObject({ verdict: Verdict.ACCEPTED });
  });

  it('keeps its verdicts straight under a mix of submissions and attacks', async () => {
    const {
      submissions,
      attacks: attacked,
      ...rest
    } = await soak(sandbox, candidate.mix, 7, () => undefined);
    expect([submissions, attacked > 0]).toEqual([candidate.mix, true]);
    expect(rest).toMatchObject({ failures: 0, wrong: [], leftProcesses: 0 });
  }, 120_000);
}
