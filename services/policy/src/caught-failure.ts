/** Reads, for tests, the failure that a piece of work ends with. */
import { readFailure, type Failure } from '@backsight/rpc';

/** The failure; throws when the work succeeds or fails in another way. */
export async function caughtFailure(work: () => unknown): Promise<Failure> {
  try {
    await work();
  } catch (error) {
    // Node aborts with an error of its own realm, which a test in another realm does not know.
    if (isNamed(error, 'AbortError')) return { code: 'CANCELLED', message: 'the caller cancelled the call' };
    const failure = readFailure(error);
    if (failure !== undefined) return failure;
    throw error;
  }
  throw new Error('The work succeeded.');
}

/** The violations of INVALID_ARGUMENT, one line each; throws when the work ends in any other way. */
export async function caughtViolations(work: () => unknown): Promise<readonly string[]> {
  const { code, message, violations = [] } = await caughtFailure(work);
  if (code !== 'INVALID_ARGUMENT') throw new Error(`The work failed with ${code}: ${message}`);
  return violations.map(({ field, description }) => `${field}: ${description}`);
}

function isNamed(error: unknown, name: string): boolean {
  return typeof error === 'object' && error !== null && 'name' in error && error.name === name;
}
