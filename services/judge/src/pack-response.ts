/** Domain values as responses. */
import {
  type DescribeResponse,
  type ExecuteResponse,
  type JudgeResponse,
  type Limits,
  type Resources,
  type TestFate,
  Verdict,
} from '@backsight/contract/judge';
import { toDuration } from './duration.js';
import { type FeedbackOptions, writeFeedback } from './feedback.js';
import type { Answer, Execution } from './judging/judge.js';
import { defaultLimits, maxLimits } from './judging/limits.js';
import type { Queue } from './judging/queue.js';
import type { Fate, ProgramError, Submission } from './judging/submission.js';
import type { RunEnding, RunLimits, Sandbox } from './sandbox/sandbox.js';

/** The answer to a submission. */
export function packJudgement(
  submission: Submission,
  answer: Answer,
  options: FeedbackOptions,
): JudgeResponse {
  const { judgement, queueMs, runMs, cached } = answer;
  return {
    verdict: judgement.verdict,
    fates: judgement.fates.map(packFate),
    feedback: writeFeedback(submission, judgement, options),
    passed: judgement.passed,
    total: judgement.total,
    queueTime: toDuration(queueMs),
    runTime: toDuration(runMs),
    cached,
  };
}

/** How a program ended. */
export function packExecution(execution: Execution): ExecuteResponse {
  if (execution.kind === 'compile-error') {
    return {
      verdict: Verdict.COMPILE_ERROR,
      stdout: Buffer.alloc(0),
      stderr: Buffer.from(`${wordError(execution.error)}\n`),
      resources: undefined,
      limit: '',
    };
  }
  const { ending } = execution;
  return {
    verdict: verdictOfEnding(ending),
    stdout: Buffer.from(ending.stdout),
    stderr: Buffer.from(ending.stderr),
    exitCode: ending.exitCode,
    signal: ending.signal,
    resources: packResources(ending),
    limit: ending.limit ?? '',
  };
}

/** What the judge can run. */
export function packDescription(
  { languages, tier, name, capacity }: Sandbox,
  queue: Queue,
): DescribeResponse {
  return {
    languages: languages.map((language) => ({ name: language.name, version: language.version })),
    isolation: tier,
    sandbox: name,
    maxLimits: packLimits(maxLimits),
    defaultLimits: packLimits(defaultLimits),
    capacity,
    queued: queue.waiting,
    maxQueued: queue.maxWaiting,
  };
}

function packFate({ test, verdict, exitCode, signal, limit, error, ...used }: Fate): TestFate {
  return {
    testIndex: test,
    verdict,
    resources: packResources(used),
    exitCode,
    signal,
    limit: limit ?? '',
    error: error === undefined ? '' : wordError(error),
  };
}

function packResources(used: Pick<RunEnding, 'cpuMs' | 'wallMs' | 'peakMemoryBytes'>): Resources {
  return {
    cpuTime: toDuration(used.cpuMs),
    wallTime: toDuration(used.wallMs),
    peakMemoryBytes: used.peakMemoryBytes,
  };
}

function packLimits({ cpuMs, wallMs, ...counts }: RunLimits): Limits {
  return { cpuTime: toDuration(cpuMs), wallTime: toDuration(wallMs), ...counts };
}

function verdictOfEnding({ limit, exitCode }: RunEnding): Verdict {
  switch (limit) {
    case 'cpu':
    case 'wall':
      return Verdict.TIME_LIMIT;
    case 'memory':
      return Verdict.MEMORY_LIMIT;
    case 'output':
      return Verdict.OUTPUT_LIMIT;
    case undefined:
      return exitCode === 0 ? Verdict.ACCEPTED : Verdict.RUNTIME_ERROR;
  }
}

function wordError({ type, message, lines }: ProgramError): string {
  const line = lines.at(-1);
  const words = [type, message].filter((part) => part !== '').join(': ');
  return line === undefined ? words : `${words} (line ${line})`;
}
