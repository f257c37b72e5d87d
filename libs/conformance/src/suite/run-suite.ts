/** Runs the checks of a suite one after the other, and tells how each went. */
import { describeError, readFailure } from '@backsight/rpc';
import { type Check, Nonconformity, NotOffered } from './check.js';

export type Fate = 'passed' | 'failed' | 'not-offered';

/** How one check went. */
export interface CheckResult {
  readonly name: string;
  readonly promise: string;
  readonly fate: Fate;
  /** One sentence: what is wrong, or what is not offered; empty when it passed. */
  readonly reason: string;
  readonly seconds: number;
}

/** Who wants to know. */
export interface SuiteListener {
  readonly onBegin?: (check: Pick<CheckResult, 'name' | 'promise'>) => void;
  readonly onResult?: (result: CheckResult) => void;
}

/** Throws only when `signal` aborts: whatever a check throws is its result. */
export async function runSuite<Subject>(
  checks: readonly Check<Subject>[],
  subject: Subject,
  signal: AbortSignal,
  listener: SuiteListener = {},
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  for (const { name, promise, run } of checks) {
    signal.throwIfAborted();
    listener.onBegin?.({ name, promise });
    const startedAt = performance.now();
    const { fate, reason } = await tried(() => run(subject));
    signal.throwIfAborted();
    const result = { name, promise, fate, reason, seconds: (performance.now() - startedAt) / 1000 };
    results.push(result);
    listener.onResult?.(result);
  }
  return results;
}

type Judged = Pick<CheckResult, 'fate' | 'reason'>;

async function tried(run: () => Promise<void>): Promise<Judged> {
  try {
    await run();
    return { fate: 'passed', reason: '' };
  } catch (error) {
    return judged(error);
  }
}

/** UNIMPLEMENTED is a room's right; every other failure that a check did not ask for is a broken promise. */
function judged(error: unknown): Judged {
  if (error instanceof Nonconformity) return { fate: 'failed', reason: error.message };
  if (error instanceof NotOffered) return { fate: 'not-offered', reason: error.message };
  const failure = readFailure(error);
  const reason = describeError(error);
  if (failure?.code === 'UNIMPLEMENTED') return { fate: 'not-offered', reason };
  const method = failure?.method?.split('/').at(-1);
  return {
    fate: 'failed',
    reason: failure === undefined ? reason : `${method ?? 'a call'} answers ${failure.code}: ${reason}`,
  };
}
