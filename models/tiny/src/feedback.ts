/** What the judge writes about a failed attempt, word for word. */

/** One test on which a program printed something else than expected. */
export interface FailedTest {
  /** Counted from 1. */
  readonly number: number;
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly expected: readonly number[];
}

/** An exception's name and message, and the line of the program it points at. */
export interface Complaint {
  readonly error: string;
  readonly message: string;
  /** Counted from 1. */
  readonly lineNumber: number;
  readonly line: string;
}

export function wrongAnswerFeedback({ number, input, output, expected }: FailedTest): string {
  return [
    `Wrong answer on test ${number}`,
    labelled('Input:', input),
    labelled('Output:', output),
    labelled('Expected:', expected),
  ].join('\n');
}

/** The interpreter could not read the program. */
export function syntaxErrorFeedback(complaint: Complaint): string {
  return ['Syntax error', ...complaintLines(complaint)].join('\n');
}

/** The program stopped with an exception on a test. */
export function runtimeErrorFeedback(test: number, complaint: Complaint): string {
  return [`Runtime error on test ${test}`, ...complaintLines(complaint)].join('\n');
}

function complaintLines({ error, message, lineNumber, line }: Complaint): readonly string[] {
  return [`${error}: ${message}`, `line ${lineNumber}: ${line}`];
}

function labelled(label: string, values: readonly number[]): string {
  return [label, ...values].join(' ');
}
