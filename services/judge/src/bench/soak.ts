/** A long run of submissions, one in twenty an attack: every verdict must be right, and nothing may be left. */
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { mersenne } from 'pure-rand/generator/mersenne';
import { judgeSubmission } from '../judging/judge-submission.js';
import { descendants } from '../sandbox/leftovers.js';
import type { Sandbox } from '../sandbox/sandbox.js';
import { reachAttacks } from '../trials/reach-attacks.js';
import { resourceAttacks } from '../trials/resource-attacks.js';
import { type Trial, trialLimits } from '../trials/trial.js';
import { verdictAttacks } from '../trials/verdict-attacks.js';

/** What a soak came to. */
export interface Soak {
  readonly submissions: number;
  readonly attacks: number;
  readonly seconds: number;
  /** Sandboxes that failed; must be 0. */
  readonly failures: number;
  /** Submissions whose verdict was not the right one, by name; must be empty. */
  readonly wrong: readonly string[];
  /** Processes, and whatever else the sandbox knows of, left when all was done; must be 0. */
  readonly leftProcesses: number;
}

const attackEvery = 20;
const attacks = [...resourceAttacks, ...reachAttacks, ...verdictAttacks];

/** Puts `count` submissions through all slots of the sandbox, in an order that the seed decides. */
export async function soak(
  sandbox: Sandbox,
  count: number,
  seed: number,
  onProgress: (done: number) => void,
): Promise<Soak> {
  const random = mersenne(seed);
  const idle = descendants(process.pid).length;
  const before = await strays(sandbox);
  const wrong: string[] = [];
  let [next, done, attacked, failures] = [0, 0, 0, 0];
  const started = performance.now();
  const work = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const attack =
        uniformInt(random, 1, attackEvery) === 1
          ? attacks[uniformInt(random, 0, attacks.length - 1)]
          : undefined;
      if (attack !== undefined) attacked += 1;
      const trial = attack ?? honest(index);
      try {
        const verdict = await verdictOn(sandbox, trial);
        if (![trial.verdict, ...(trial.orVerdict ?? [])].includes(verdict))
          wrong.push(`${trial.name}: ${verdict} instead of ${trial.verdict}`);
      } catch (error) {
        failures += 1;
        wrong.push(`${trial.name}: ${String(error)}`);
      }
      onProgress(++done);
    }
  };
  await Promise.all(Array.from({ length: sandbox.capacity }, work));
  return {
    submissions: count,
    attacks: attacked,
    seconds: (performance.now() - started) / 1000,
    failures,
    wrong,
    leftProcesses: descendants(process.pid).length - idle + (await strays(sandbox)) - before,
  };
}

/** What the sandbox itself can tell of leftovers, beside the processes below this one. */
async function strays(sandbox: Sandbox): Promise<number> {
  return ((await sandbox.leftovers?.()) ?? []).length;
}

/** Differs from submission to submission, so that one answered with another's output is noticed. */
function honest(index: number): Trial {
  return {
    name: `submission ${index}`,
    source: `import math\nprint(${index}, math.isqrt(int(input())))\n`,
    input: `${index * index}\n`,
    expected: `${index} ${index}\n`,
    verdict: Verdict.ACCEPTED,
  };
}

async function verdictOn(sandbox: Sandbox, trial: Trial): Promise<Verdict> {
  const { source, input = '', expected = '', limits } = trial;
  const { verdict } = await judgeSubmission(
    sandbox,
    {
      language: 'python',
      source,
      tests: [{ kind: 'stdio', input, expected, hidden: false }],
      checker: { kind: CheckerKind.TRIMMED_LINES, absoluteTolerance: 0, relativeTolerance: 0 },
      limits: { ...trialLimits, ...limits },
      stopAtFirstFailure: false,
    },
    new AbortController().signal,
  );
  return verdict;
}
