/** A trial is a program that a sandbox is tried with, and what must become of it. */
import type { Verdict } from '@backsight/contract/judge';
import type { LimitName, RunLimits } from '../sandbox/sandbox.js';

/** A program with one test. */
export interface Trial {
  /** What it does, to complete "contains ..." or "accepts ...". */
  readonly name: string;
  /** Default: `python`. */
  readonly language?: string;
  readonly source: string;
  /** Standard input. Default: empty. */
  readonly input?: string;
  /** Expected standard output. Default: empty. */
  readonly expected?: string;
  readonly verdict: Verdict;
  /** Verdicts that contain it as well, where sandboxes differ in which of their bounds comes first. */
  readonly orVerdict?: readonly Verdict[];
  /** One of these limits decides. Default: none is asked for. */
  readonly limit?: readonly LimitName[];
  /** Beside `trialLimits`. */
  readonly limits?: Partial<RunLimits>;
}

/** Tight, so that a trial of time, memory or output is over soon. */
export const trialLimits: RunLimits = {
  cpuMs: 400,
  wallMs: 2500,
  memoryBytes: 96 << 20,
  outputBytes: 2 << 20,
  processes: 16,
};

/** A program as its template says it, backslashes and all, its common indentation taken off. */
export function program(text: TemplateStringsArray): string {
  const lines = text.raw.join('').replace(/^\n/, '').trimEnd().split('\n');
  const indents = lines
    .filter((line) => line.trim() !== '')
    .map((line) => line.length - line.trimStart().length);
  const indent = Math.min(...indents);
  return `${lines.map((line) => line.slice(indent)).join('\n')}\n`;
}

/** A Python program that prints `refused` when an expression raises OSError or ValueError, else what it got. */
export function attempt(setup: string, expression: string): string {
  return [
    setup,
    'try:',
    `    got = ${expression}`,
    "    print('got', got)",
    'except (OSError, ValueError):',
    "    print('refused')",
    '',
  ].join('\n');
}
