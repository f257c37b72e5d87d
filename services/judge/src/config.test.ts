import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readConfig } from './config.js';

describe('readConfig', () => {
  it('isolates by default, and asks for no tasks', () => {
    expect(readConfig({})).toMatchObject({
      address: '127.0.0.1:7102',
      sandbox: 'auto',
      tasks: undefined,
      python: undefined,
      slots: availableParallelism() + 1,
      maxTurns: 1,
      feedbackWrongAnswers: 2,
      feedbackSelection: 'shortest',
      feedbackCharacters: 2000,
    });
  });

  it('reads paths, separated by commas', () => {
    const { tasks } = readConfig({ BACKSIGHT_TASKS: 'a.jsonl, /b.jsonl,' });
    expect(tasks).toEqual([resolve('a.jsonl'), '/b.jsonl']);
  });

  it('reads which languages to offer, and where their compilers are', () => {
    expect(
      readConfig({
        BACKSIGHT_JUDGE_LANGUAGES: 'go, java',
        BACKSIGHT_JUDGE_GO: '/opt/go/bin/go',
        PATH: '/a:/b',
      }),
    ).toMatchObject({
      languages: ['go', 'java'],
      go: '/opt/go/bin/go',
      java: undefined,
      searchPath: '/a:/b',
    });
    expect(() => readConfig({ BACKSIGHT_JUDGE_LANGUAGES: 'python,cobol' })).toThrow(
      'BACKSIGHT_JUDGE_LANGUAGES must be a list of python, cpp, javascript, java, rust, go, not "python,cobol"',
    );
  });

  it('runs without a sandbox only where that is said in so many words', () => {
    expect(readConfig({ BACKSIGHT_SANDBOX: 'none' }).sandbox).toBe('none');
    for (const word of ['false', 'None', 'no', 'off']) {
      expect(() => readConfig({ BACKSIGHT_SANDBOX: word })).toThrow(
        /^BACKSIGHT_SANDBOX must be one of auto,/,
      );
    }
  });

  it('says everything that is wrong at once, and takes no typing error for silence', () => {
    const wrong = { BACKSIGHT_JUDGE_SLOTS: '0', BACKSIGHT_MAX_TURNS: 'many', BACKSIGHT_JUDGE_SLOT: '2' };
    expect(() => readConfig(wrong)).toThrow(
      /BACKSIGHT_JUDGE_SLOT is no setting[^]*BACKSIGHT_JUDGE_SLOTS must be[^]*BACKSIGHT_MAX_TURNS must be/,
    );
  });
});
