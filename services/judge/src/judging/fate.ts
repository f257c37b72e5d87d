/** Decides what one run of a program comes to. */
import { constants } from 'node:os';
import { Verdict } from '@backsight/contract/judge';
import type { RunEnding } from '../sandbox/sandbox.js';
import { beginning } from './beginning.js';
import { acceptsOutput, acceptsResult, differsInBlanks } from './checkers.js';
import { readReport, type Report } from './report.js';
import { signalName } from './signal-name.js';
import type { Checker, Fate, ProgramError, Test } from './submission.js';
import type { Ruling } from './task-program.js';
import { readTrace } from './traces.js';

/** What a fate is decided from. */
export interface Evidence {
  readonly test: Test;
  /** Index of the test in its submission. */
  readonly index: number;
  readonly ending: RunEnding;
  /** What the program is written in. */
  readonly language: string;
  readonly checker: Checker;
  /** What the task's own checker or interactor made of a program that ended well. */
  readonly ruling?: Ruling | undefined;
  /** What to show of an interactive test instead of the output. */
  readonly transcript?: string;
  /** The token of an assert test. */
  readonly token: string;
  /** Lines put in front of the program. */
  readonly preludeLines: number;
}

/** More than any feedback shows. */
const keptCharacters = 4_000;

/** The fate of one test. */
export function decideFate(evidence: Evidence): Fate {
  const { test, index, ending, preludeLines, ruling, transcript } = evidence;
  const report = readReport(ending.report);
  const { verdict, error } = judgeEnding(evidence, report);
  const shown = !test.hidden && verdict !== Verdict.ACCEPTED;
  return {
    test: index,
    verdict,
    cpuMs: ending.cpuMs,
    wallMs: ending.wallMs,
    peakMemoryBytes: ending.peakMemoryBytes,
    exitCode: ending.exitCode,
    signal: ending.signal,
    limit: ending.limit,
    error: shown && error !== undefined ? withoutPrelude(error, preludeLines) : undefined,
    output: shown ? beginning(transcript ?? outputOf(test, ending, report), keptCharacters) : undefined,
    ...(shown && ruling !== undefined && ruling.remark !== '' ? { remark: ruling.remark } : {}),
  };
}

/** Whether the program did its part, so that what it answered decides. */
export function endedWell({ limit, exitCode }: RunEnding): boolean {
  return limit === undefined && exitCode === 0;
}

/** An error whose lines are those of the program alone. */
export function withoutPrelude<Told extends ProgramError>(error: Told, preludeLines: number): Told {
  return { ...error, lines: error.lines.map((line) => line - preludeLines).filter((line) => line > 0) };
}

interface Decision {
  readonly verdict: Verdict;
  readonly error?: ProgramError;
}

function judgeEnding(evidence: Evidence, report: Report): Decision {
  const { language, ending, ruling } = evidence;
  // An interactor that has found the program wrong may have brought its end about.
  if (ruling !== undefined && ruling.verdict !== Verdict.ACCEPTED) return { verdict: ruling.verdict };
  const { limit, exitCode, signal } = ending;
  if (limit === 'output') return { verdict: Verdict.OUTPUT_LIMIT };
  if (limit === 'memory') return { verdict: Verdict.MEMORY_LIMIT };
  if (limit !== undefined) return { verdict: Verdict.TIME_LIMIT };
  if (signal === constants.signals.SIGSYS)
    return { ...died('Killed for a forbidden system call'), verdict: Verdict.FORBIDDEN_CALL };
  if (exitCode === 0) return judgeAnswer(evidence, report);
  const trace = readTrace(language, ending.stderr);
  if (trace?.memory === true) return { verdict: Verdict.MEMORY_LIMIT };
  if (trace !== undefined) {
    const { type, message, lines } = trace;
    return { verdict: Verdict.RUNTIME_ERROR, error: { type, message, lines } };
  }
  return signal === undefined ? judgeError(report, exitCode) : died(`Killed by ${signalName(signal)}`);
}

function judgeError({ error }: Report, exitCode: number | undefined): Decision {
  if (error === undefined) return died(`Exited with code ${exitCode ?? 'unknown'}`);
  const { type, message, lines, checkLines, stage, assertion, memory } = error;
  if (memory) return { verdict: Verdict.MEMORY_LIMIT };
  const checkLine = checkLines.at(-1);
  const told = { type, message, lines, ...(checkLine === undefined ? {} : { checkLine }) };
  const refuted = stage === 'check' && assertion;
  return { verdict: refuted ? Verdict.WRONG_ANSWER : Verdict.RUNTIME_ERROR, error: told };
}

/** The program ended well: is its answer right? */
function judgeAnswer({ test, ending, checker, ruling, token }: Evidence, report: Report): Decision {
  if (ruling !== undefined) return { verdict: ruling.verdict };
  switch (test.kind) {
    case 'stdio':
      if (acceptsOutput(checker, ending.stdout, test.expected)) return rightIf(true);
      return differsInBlanks(checker, ending.stdout, test.expected)
        ? { verdict: Verdict.PRESENTATION_ERROR }
        : rightIf(false);
    case 'interactive':
      throw new TypeError('an interactive test is ruled on by its interactor');
    case 'call':
      if (report.result !== undefined)
        return rightIf(acceptsResult(checker, report.result, test.expectedJson));
      if (report.unspeakable !== undefined) return rightIf(false);
      return died('Exited before the function returned');
    case 'assert':
      return report.token === token ? rightIf(true) : died('Exited before the checks were done');
  }
}

function rightIf(right: boolean): Decision {
  return { verdict: right ? Verdict.ACCEPTED : Verdict.WRONG_ANSWER };
}

function died(message: string): Decision {
  return { verdict: Verdict.RUNTIME_ERROR, error: { type: '', message, lines: [] } };
}

function outputOf(test: Test, ending: RunEnding, report: Report): string {
  if (test.kind === 'call') return report.result ?? report.unspeakable ?? '';
  // Four bytes a character at most.
  return new TextDecoder().decode(ending.stdout.subarray(0, 4 * keptCharacters));
}
