import { describe, expect, it } from '@jest/globals';
import { CheckerKind, Verdict } from '@backsight/contract/judge';
import { defaultLimits } from './limits.js';
import type { Fate, Judgement, Submission } from './submission.js';
import { submissionKey, VerdictCache } from './verdict-cache.js';

const fate: Fate = {
  test: 0,
  verdict: Verdict.ACCEPTED,
  cpuMs: 1,
  wallMs: 1,
  peakMemoryBytes: 1,
  exitCode: 0,
  signal: undefined,
  limit: undefined,
  error: undefined,
  output: undefined,
};
const judgement = (of: Partial<Fate> = {}): Judgement => ({
  verdict: Verdict.ACCEPTED,
  fates: [{ ...fate, ...of }],
  passed: 1,
  total: 1,
});

describe('VerdictCache', () => {
  it('keeps what was used last', () => {
    const cache = new VerdictCache(2);
    const [a, b, c] = [judgement(), judgement(), judgement()];
    cache.put('a', a);
    cache.put('b', b);
    expect(cache.get('a')).toBe(a);
    cache.put('c', c);
    expect(cache.get('b')).toBeUndefined();
    expect(cache.get('a')).toBe(a);
    expect(cache.get('c')).toBe(c);
  });

  it('keeps nothing at capacity 0', () => {
    const cache = new VerdictCache(0);
    cache.put('a', judgement());
    expect(cache.get('a')).toBeUndefined();
  });

  it('keeps no judgement that the clock on the wall had a part in', () => {
    const cache = new VerdictCache(2);
    cache.put('wall', judgement({ limit: 'wall' }));
    cache.put('cpu', judgement({ limit: 'cpu' }));
    expect(cache.get('wall')).toBeUndefined();
    expect(cache.get('cpu')).toBeDefined();
  });

  it('lets go of old judgements whose outputs take too much memory', () => {
    const cache = new VerdictCache(100, 10_000);
    for (const key of ['a', 'b', 'c']) cache.put(key, judgement({ output: 'x'.repeat(4000) }));
    expect(cache.get('a')).toBeUndefined();
    expect(cache.get('b')).toBeDefined();
    expect(cache.get('c')).toBeDefined();
    // Put again, it counts once.
    cache.put('c', judgement({ output: 'y'.repeat(4000) }));
    expect(cache.get('b')).toBeDefined();
  });
});

describe('submissionKey', () => {
  const submission: Submission = {
    language: 'python',
    source: 'print(1)',
    tests: [{ kind: 'stdio', input: '1', expected: '1', hidden: false }],
    checker: { kind: CheckerKind.TOKENS, absoluteTolerance: 0, relativeTolerance: 0 },
    limits: defaultLimits,
    stopAtFirstFailure: false,
  };

  it('is the same for the same submission', () => {
    expect(submissionKey({ ...submission, prelude: '' })).toBe(submissionKey(submission));
  });

  it('differs with everything that matters', () => {
    const others: readonly Submission[] = [
      { ...submission, language: 'cpp' },
      { ...submission, source: 'print(1) ' },
      { ...submission, prelude: 'import os\n' },
      { ...submission, tests: [{ kind: 'stdio', input: '1', expected: '1', hidden: true }] },
      { ...submission, tests: [{ kind: 'stdio', input: '1', expected: '2', hidden: false }] },
      { ...submission, checker: { ...submission.checker, relativeTolerance: 1e-9 } },
      { ...submission, limits: { ...defaultLimits, processes: 3 } },
      { ...submission, stopAtFirstFailure: true },
    ];
    const keys = new Set([submission, ...others].map(submissionKey));
    expect(keys.size).toBe(others.length + 1);
  });
});
