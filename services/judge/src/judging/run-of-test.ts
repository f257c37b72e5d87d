/** What a test is to a sandbox: a run, without what is expected of it. */
import type { SandboxLanguage, SandboxRun } from '../sandbox/sandbox.js';
import type { Test } from './submission.js';

/** The run of a test; an assert test proves by the token that it came to its end. */
export function runOf(test: Test, token: string): SandboxRun {
  switch (test.kind) {
    case 'stdio':
      return { kind: 'stdio', input: Buffer.from(test.input) };
    case 'call':
      return { kind: 'call', name: test.name, argumentsJson: test.argumentsJson };
    case 'assert':
      return { kind: 'check', code: test.code, token };
    case 'interactive':
      throw new TypeError('an interactive test runs against its interactor (judge-dialogues.ts)');
  }
}

const runKinds: Readonly<Record<Test['kind'], SandboxRun['kind']>> = {
  stdio: 'stdio',
  call: 'call',
  assert: 'check',
  interactive: 'dialogue',
};

/** Why a language does not take a test; undefined when it does, or when there is no such language. */
export function refusedTest(
  test: Test,
  language: string | undefined,
  languages: readonly SandboxLanguage[],
): string | undefined {
  const found = languages.find(({ name }) => name === language);
  if (found === undefined || found.runs.includes(runKinds[test.kind])) return undefined;
  return `is of kind ${test.kind}, which programs in ${found.name} are not put to: stdio tests are`;
}
