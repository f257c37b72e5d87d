/** The conformance suite of sandboxes: what any of them must contain and accept, and leave nothing behind. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import { soak } from '../bench/soak.js';
import { judgeSubmission } from '../judging/judge-submission.js';
import type { Judgement } from '../judging/submission.js';
import { cppPrograms } from '../trials/cpp-programs.js';
import { honestPrograms } from '../trials/honest-programs.js';
import { javascriptPrograms } from '../trials/javascript-programs.js';
import { reachAttacks } from '../trials/reach-attacks.js';
import { resourceAttacks } from '../trials/resource-attacks.js';
import { type Trial, trialLimits } from '../trials/trial.js';
import { verdictAttacks } from '../trials/verdict-attacks.js';
import type { Candidate } from './candidate.js';
import { breachOf, examine } from './doctor.js';
import { itIn, traces } from './real-sandbox.js';
import type { Sandbox } from './sandbox.js';

const never = new AbortController().signal;
const attacks = [...resourceAttacks, ...reachAttacks, ...verdictAttacks];

function tryOut(
  sandbox: Sandbox,
  { language = 'python', source, input = '', expected = '', limits }: Trial,
): Promise<Judgement> {
  return judgeSubmission(
    sandbox,
    {
      language,
      source,
      tests: [{ kind: 'stdio', input, expected, hidden: false }],
      checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
      limits: { ...trialLimits, ...limits },
      stopAtFirstFailure: false,
    },
    never,
  );
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

  for (const language of ['python', 'cpp', 'javascript'])
    itIn(language)(`survives its own self-check beside ${language}`, async () => {
      expect(breachOf(await examine(sandbox, language, never))).toBeUndefined();
    });

  it.each(attacks)('contains $name', async (attack) => {
    // Another submission runs meanwhile, in the slot beside it or the one that the last attack had, and must not notice.
    const [judgement, meanwhile] = await Promise.all([tryOut(sandbox, attack), tryOut(sandbox, bystander)]);
    expect([attack.verdict, ...(attack.orVerdict ?? [])]).toContain(judgement.verdict);
    if (attack.limit !== undefined) expect(attack.limit).toContain(judgement.fates[0]?.limit);
    expect(meanwhile).toMatchObject({ verdict: Verdict.ACCEPTED });
    expect(await candidate.stillRunning()).toEqual([]);
  });

  it.each(honestPrograms)('accepts $name', async (honest) => {
    expect(await tryOut(sandbox, honest)).toMatchObject({
      verdict: Verdict.ACCEPTED,
      fates: [{ error: undefined, output: undefined }],
    });
  });

  for (const other of [...cppPrograms.slice(0, 1), ...javascriptPrograms.slice(0, 1)])
    itIn(other.language ?? '')(`runs programs in ${other.language ?? ''}`, async () => {
      expect(await tryOut(sandbox, other)).toMatchObject({ verdict: Verdict.ACCEPTED });
    });

  it('keeps its verdicts straight under a mix of submissions and attacks', async () => {
    const {
      submissions,
      attacks: attacked,
      ...rest
    } = await soak(sandbox, candidate.mix, 7, () => undefined);
    expect([submissions, attacked > 0]).toEqual([candidate.mix, true]);
    expect(rest).toMatchObject({ failures: 0, wrong: [], leftProcesses: 0 });
  });
}
