/** Errors in the contract's words: what the coordinator throws becomes the failure that its caller understands. */
import { failedPrecondition, invalidArgument, notFound, readFailure, unavailable } from '@backsight/rpc';
import { PageTokenError } from './page-token.js';
import { RecipeError } from './recipe/recipe.js';
import { RoomAwayError } from './rooms/patience.js';
import { UnusablePolicyError } from './run/players.js';
import { NoSuchRunError, PreconditionError } from './run-errors.js';
import { ClosingError } from './watchers.js';

/** Answers, or throws the failure. */
export async function spoken<T>(answer: () => Promise<T>): Promise<T> {
  try {
    return await answer();
  } catch (error) {
    throw failureOf(error);
  }
}

/** Answers one after the other, or throws the failure. */
export async function* spokenStream<T>(answers: () => AsyncIterable<T>): AsyncGenerator<T, void, void> {
  try {
    yield* answers();
  } catch (error) {
    throw failureOf(error);
  }
}

const RETRY_AFTER_MS = 1000;

/** What no one threw on purpose stays as it is: a bug, or a room's failure that is passed on. */
function failureOf(error: unknown): unknown {
  if (error instanceof RecipeError) {
    return invalidArgument(
      error.violations.map(({ field, description }) => ({ field: `recipe_yaml${dot(field)}`, description })),
    );
  }
  if (error instanceof NoSuchRunError) return notFound('run', error.runId, 'ListRuns names those there are');
  if (error instanceof PreconditionError) return failedPrecondition(error.what, error.problem);
  if (error instanceof UnusablePolicyError) return failedPrecondition('policy', error.message);
  if (error instanceof PageTokenError)
    return invalidArgument([{ field: 'page_token', description: error.message }]);
  if (error instanceof RoomAwayError) return unavailable(error.message, RETRY_AFTER_MS);
  if (error instanceof ClosingError) return unavailable(error.message, RETRY_AFTER_MS);
  return foreign(error);
}

/** A room's NOT_FOUND or INVALID_ARGUMENT is about what this caller asked for. */
function foreign(error: unknown): unknown {
  const failure = readFailure(error);
  if (failure?.method === undefined) return error;
  if (failure.code === 'NOT_FOUND' && failure.resource !== undefined) {
    return notFound(failure.resource.kind, failure.resource.name, failure.message);
  }
  if (failure.code === 'INVALID_ARGUMENT')
    return invalidArgument(failure.violations ?? [{ field: '', description: failure.message }]);
  if (failure.code === 'FAILED_PRECONDITION') return failedPrecondition(failure.method, failure.message);
  return error;
}

const dot = (field: string): string => (field === '' ? '' : `.${field}`);
