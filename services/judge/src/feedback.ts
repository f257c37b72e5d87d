/**
 * Words what went wrong with a submission, for a learner who will try again.
 *
 * The layout is a contract: the tiny policy of models/tiny was pre-trained on exactly these lines, and a policy under
 * training meets them in its teacher prompts. Change a word, and both must be made anew.
 */
import { Verdict } from '@backsight/contract/judge';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { mersenne } from 'pure-rand/generator/mersenne';
import { beginning } from './judging/beginning.js';
import type { Fate, Judgement, ProgramError, Submission, Test } from './judging/submission.js';

/** How feedback is made. */
export interface FeedbackOptions {
  /** Wrong answers to show, at most. */
  readonly maxWrongAnswers: number;
  /** `shortest`: those with the shortest input plus output; `random`: drawn from the seed. */
  readonly selection: 'shortest' | 'random';
  readonly seed: number;
  /** Longest feedback, in characters. */
  readonly maxCharacters: number;
}

export const defaultFeedback: FeedbackOptions = {
  maxWrongAnswers: 2,
  selection: 'shortest',
  seed: 0,
  maxCharacters: 2000,
};

/** The answer holds no program, where a fenced block was asked for. */
export function noFencedProgram(language: string): string {
  return `${noProgram(language)} Put the whole program into one fenced \`\`\`${language} block.`;
}
/** The answer is blank, where the whole of it should be the program. */
export function noProgram(language: string): string {
  return `The answer holds no ${spoken[language] ?? language} program.`;
}
const spoken: Readonly<Record<string, string>> = {
  python: 'Python',
  cpp: 'C++',
  javascript: 'JavaScript',
  java: 'Java',
  rust: 'Rust',
  go: 'Go',
};
/** Languages whose programs a parser alone does not refuse. */
const compiledLanguages: readonly string[] = ['cpp', 'java', 'rust', 'go'];
/** The policy ran out of tokens before the program was whole. */
export const cutOff = 'The answer was cut off before it ended. Answer more briefly.';

const longestLine = 250;
const mostLines = 8;
const mostFrames = 3;

/**
 * The feedback on a judgement; empty when no public test failed.
 *
 * The first error speaks alone, else the first limit, else some wrong answers. Hidden tests are left out before
 * anything is looked at; tests are numbered from 1 as the submission orders them.
 */
export function writeFeedback(
  { language, source, tests }: Pick<Submission, 'language' | 'source' | 'tests'>,
  judgement: Judgement,
  options: FeedbackOptions,
): string {
  const sourceLines = source.split('\n');
  if (judgement.compileError !== undefined) {
    const header = compiledLanguages.includes(language) ? 'Compile error' : 'Syntax error';
    return clip([header, ...errorLines(judgement.compileError, sourceLines)], options);
  }
  const failures = publicFailures(tests, judgement.fates);
  const error = failures.find(({ fate }) => errors.includes(fate.verdict));
  if (error !== undefined) return clip(runtimeError(error, sourceLines), options);
  const limit = failures.find(({ fate }) => !wrong.includes(fate.verdict));
  if (limit !== undefined) return clip(limitExceeded(limit), options);
  const blocks = choose(failures, options).map((failure) => wrongAnswer(failure).join('\n'));
  return clip([blocks.join('\n\n')], options);
}

const errors: readonly Verdict[] = [Verdict.RUNTIME_ERROR, Verdict.FORBIDDEN_CALL];
/** A learner sees for itself that only blanks differ. */
const wrong: readonly Verdict[] = [Verdict.WRONG_ANSWER, Verdict.PRESENTATION_ERROR];

interface Failure {
  readonly test: Test;
  readonly fate: Fate;
}

function publicFailures(tests: readonly Test[], fates: readonly Fate[]): readonly Failure[] {
  return fates.flatMap((fate) => {
    const test = tests[fate.test];
    return test === undefined || test.hidden || fate.verdict === Verdict.ACCEPTED ? [] : [{ test, fate }];
  });
}

function runtimeError({ test, fate }: Failure, sourceLines: readonly string[]): readonly string[] {
  const error = fate.error ?? { type: '', message: '', lines: [] };
  const failed = test.kind === 'assert' && error.lines.length === 0 ? checkLines(test.code, error) : [];
  return [
    `Runtime error on test ${fate.test + 1}`,
    ...errorLines(error, sourceLines),
    ...failed,
    ...talk({ test, fate }),
  ];
}

/** `Name: message`, then the last lines of the submission on the way to it, innermost last. */
function errorLines(
  { type, message, lines }: ProgramError,
  sourceLines: readonly string[],
): readonly string[] {
  const headline = [type, message.trim()].filter((part) => part !== '').join(': ');
  const frames = lines.slice(-mostFrames).flatMap((number) => {
    const line = sourceLines[number - 1];
    return line === undefined ? [] : [cutLine(`line ${number}: ${line.trim()}`)];
  });
  return [...clippedLines(headline), ...frames];
}

function limitExceeded({ test, fate }: Failure): readonly string[] {
  const number = fate.test + 1;
  if (fate.verdict === Verdict.TIME_LIMIT)
    return [`Time limit exceeded on test ${number}`, ...given(test, fate.error), ...talk({ test, fate })];
  const what = fate.verdict === Verdict.MEMORY_LIMIT ? 'Memory' : 'Output';
  return [`${what} limit exceeded on test ${number}`];
}

function wrongAnswer({ test, fate }: Failure): readonly string[] {
  const header = `Wrong answer on test ${fate.test + 1}`;
  const output = fate.output ?? '';
  switch (test.kind) {
    case 'stdio':
      return [
        header,
        ...given(test),
        ...labelled('Output:', output),
        // A checker may need no answer to compare with.
        ...(test.expected === '' && fate.remark !== undefined ? [] : labelled('Expected:', test.expected)),
        ...remark(fate),
      ];
    case 'interactive':
      return [header, ...talk({ test, fate }), ...remark(fate)];
    case 'call':
      return [
        header,
        ...given(test),
        ...labelled('Output:', output),
        ...labelled('Expected:', test.expectedJson),
      ];
    case 'assert': {
      const { message = '' } = fate.error ?? {};
      return [
        header,
        ...given(test, fate.error),
        ...(message.trim() === '' ? [] : labelled('Message:', message)),
      ];
    }
  }
}

/** What the task's checker or interactor had to say. */
function remark({ remark: words = '' }: Fate): readonly string[] {
  return words === '' ? [] : labelled('Message:', words);
}

/** The end of the talk with the interactor. */
function talk({ test, fate }: Failure): readonly string[] {
  if (test.kind !== 'interactive' || fate.output === undefined || fate.output === '') return [];
  return ['Transcript:', ...fate.output.split('\n').map(cutLine)];
}

/** What the program was given. */
function given(test: Test, error?: ProgramError): readonly string[] {
  switch (test.kind) {
    case 'interactive':
      return []; // its input is the interactor's
    case 'stdio':
      return labelled('Input:', test.input);
    case 'call':
      return labelled('Input:', `${test.name}(${test.argumentsJson.join(', ')})`);
    case 'assert':
      return checkLines(test.code, error);
  }
}

/** The line of a check that failed, or the whole of a short one. */
function checkLines(code: string, error: ProgramError | undefined): readonly string[] {
  const line = error?.checkLine === undefined ? undefined : code.split('\n')[error.checkLine - 1];
  return labelled('Check:', line === undefined ? code : line.trim());
}

/** A value on its label's line, or below it when it has several; trailing line breaks trimmed. */
function labelled(label: string, value: string): readonly string[] {
  const lines = clippedLines(value);
  if (lines.length > 1) return [label, ...lines];
  const [line = ''] = lines;
  return [line === '' ? label : `${label} ${line}`];
}

function clippedLines(value: string): readonly string[] {
  const lines = value.replaceAll('\r\n', '\n').replace(/\n+$/, '').split('\n');
  const more = lines.length - mostLines;
  const shown = lines.slice(0, mostLines).map(cutLine);
  return more > 0 ? [...shown, `... (${more} more lines)`] : shown;
}

function cutLine(line: string): string {
  return line.length <= longestLine ? line : `${beginning(line, longestLine)}...`;
}

function clip(lines: readonly string[], { maxCharacters }: FeedbackOptions): string {
  const text = lines.join('\n');
  if (text.length <= maxCharacters) return text;
  return maxCharacters <= 3 ? beginning(text, maxCharacters) : `${beginning(text, maxCharacters - 3)}...`;
}

/** The wrong answers to show, in the order of the tests when drawn, the shortest first otherwise. */
function choose(failures: readonly Failure[], options: FeedbackOptions): readonly Failure[] {
  const { selection, maxWrongAnswers, seed } = options;
  if (selection === 'random') return draw(failures, maxWrongAnswers, seed);
  return failures
    .map((failure) => ({ failure, length: lengthOf(failure) }))
    .sort((one, other) => one.length - other.length)
    .slice(0, maxWrongAnswers)
    .map(({ failure }) => failure);
}

function lengthOf({ test, fate }: Failure): number {
  return given(test).join('\n').length + (fate.output ?? '').length;
}

/** So many of the failures, each set equally likely. */
function draw(failures: readonly Failure[], count: number, seed: number): readonly Failure[] {
  // Both halves of a 53-bit seed count.
  const random = mersenne((seed ^ Math.floor(seed / 2 ** 32)) | 0);
  const left = failures.map((_, index) => index);
  const drawn: number[] = [];
  while (drawn.length < count && left.length > 0) {
    drawn.push(...left.splice(uniformInt(random, 0, left.length - 1), 1));
  }
  return drawn.sort((one, other) => one - other).flatMap((index) => failures[index] ?? []);
}
