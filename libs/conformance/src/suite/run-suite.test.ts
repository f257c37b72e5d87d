import { describe, expect, it } from '@jest/globals';
import { invalidArgument, unimplemented } from '@backsight/rpc';
import { expectThat, NotOffered } from './check.js';
import { expectFailure, expectRefusals } from './expect-failure.js';
import { runSuite } from './run-suite.js';
import { reportOf } from './suite-report.js';

const check = (name: string, run: () => Promise<void>) => ({ name, promise: `keeps ${name}`, run });
const forever = new AbortController().signal;

describe('runSuite', () => {
  it('tells kept, broken and absent promises apart', async () => {
    const results = await runSuite(
      [
        check('kept', () => Promise.resolve()),
        check('broken', async () => {
          await Promise.resolve();
          expectThat(Number('1') > 2, 'one is less than two');
        }),
        check('absent', () => Promise.reject(new NotOffered('it has none'))),
        check('unimplemented', () => Promise.reject(unimplemented('NONE', 'not here'))),
        check('wrong', () => Promise.reject(new TypeError('cannot read'))),
        check('refused', () => Promise.reject(invalidArgument([{ field: 'x', description: 'is wrong' }]))),
      ],
      undefined,
      forever,
    );
    expect(results.map(({ name, fate, reason }) => [name, fate, reason])).toEqual([
      ['kept', 'passed', ''],
      ['broken', 'failed', 'one is less than two'],
      ['absent', 'not-offered', 'it has none'],
      ['unimplemented', 'not-offered', 'not here'],
      ['wrong', 'failed', 'cannot read'],
      ['refused', 'failed', 'a call answers INVALID_ARGUMENT: x: is wrong'],
    ]);
    expect(reportOf('policy', 'a:1', 'it', results)).toMatchObject({ passed: 1, failed: 3, notOffered: 2 });
  });

  it('tells of each check as it goes, and stops when it is told to', async () => {
    const heard: string[] = [];
    const caller = new AbortController();
    const suite = runSuite(
      [
        check('first', () => Promise.resolve()),
        check('second', () => {
          caller.abort(new Error('enough'));
          return Promise.resolve();
        }),
        check('third', () => Promise.resolve()),
      ],
      undefined,
      caller.signal,
      {
        onBegin: ({ name }) => heard.push(`begin ${name}`),
        onResult: ({ name }) => heard.push(`end ${name}`),
      },
    );
    await expect(suite).rejects.toThrow('enough');
    expect(heard).toEqual(['begin first', 'end first', 'begin second']);
  });
});

describe('expectFailure', () => {
  it('takes the failure that it expects, and no other', async () => {
    const refused = () => Promise.reject(invalidArgument([{ field: 'top_p', description: 'is 2' }]));
    expect((await expectFailure('it', 'INVALID_ARGUMENT', refused)).violations).toHaveLength(1);
    await expect(expectFailure('it', 'NOT_FOUND', refused)).rejects.toThrow(
      'it must be refused with NOT_FOUND, is with INVALID_ARGUMENT: top_p: is 2',
    );
    await expect(expectFailure('it', 'ABORTED', () => Promise.resolve(1))).rejects.toThrow(
      'it must be refused with ABORTED, is accepted',
    );
    await expect(expectFailure('it', 'ABORTED', () => Promise.reject(new TypeError('bug')))).rejects.toThrow(
      'bug',
    );
  });
});

describe('expectRefusals', () => {
  it('asks for a violation that names the field', async () => {
    const call = () => Promise.reject(invalidArgument([{ field: 'sampling.top_p', description: 'is 2' }]));
    await expect(expectRefusals([{ what: 'top_p 2', field: 'top_p', call }])).resolves.toBeUndefined();
    await expect(expectRefusals([{ what: 'it', field: 'seed', call }])).rejects.toThrow(
      'it must be refused with a violation that names seed, is with sampling.top_p',
    );
  });
});
