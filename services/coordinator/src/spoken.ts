/** Errors in the contract's words: what the coordinator throws becomes the failure that its caller understands. */
import {
  failedPrecondition,
  type FailureCode,
  invalidArgument,
  notFound,
  passedOn,
  readFailure,
  resourceExhausted,
  unavailable,
} from '@backsight/rpc';
import { PageTokenError } from './page-token.js';
import { RecipeError } from './recipe/recipe.js';
import { RoomAwayError } from './rooms/patience.js';
import { UnusablePolicyError } from './run/players.js';
import { NoSuchRunError, NoSuchTaskError, PreconditionError } from './run-errors.js';
import { StoreError } from './store/plain-errors.js';
import { ClosingError } from './watchers.js';

/** Answers, or throws the failure; `recipe` is the field that holds the caller's recipe. */
export async function spoken<T>(answer: () => Promise<T>, recipe = 'recipe_yaml'): Promise<T> {
  try {
    return await answer();
  } catch (error) {
    throw failureOf(error, recipe);
  }
}

/** Answers one after the other, or throws the failure. */
export async function* spokenStream<T>(answers: () => AsyncIterable<T>): AsyncGenerator<T, void, void> {
  try {
    yield* answers();
  } catch (error) {
    throw failureOf(error, 'recipe_yaml');
  }
}

const RETRY_AFTER_MS = 1000;
/** A person must free space. */
const STORE_RETRY_AFTER_MS = 60_000;

/** What no one threw on purpose stays as it is: a bug, or a room's failure that is passed on. */
function failureOf(error: unknown, recipe: string): unknown {
  if (error instanceof RecipeError) {
    return invalidArgument(
      error.violations.map(({ field, description }) => ({ field: `${recipe}${dot(field)}`, description })),
    );
  }
  if (error instanceof NoSuchRunError) return notFound('run', error.runId, 'ListRuns names those there are');
  if (error instanceof NoSuchTaskError)
    return notFound('task', error.taskId, `the split ${error.split} has ${fewOf(error.taskIds)}`);
  if (error instanceof PreconditionError) return failedPrecondition(error.what, error.problem);
  if (error instanceof UnusablePolicyError) return failedPrecondition('policy', error.message);
  if (error instanceof PageTokenError)
    return invalidArgument([{ field: 'page_token', description: error.message }]);
  if (error instanceof StoreError) return resourceExhausted(error.message, STORE_RETRY_AFTER_MS);
  if (error instanceof RoomAwayError) return unavailable(error.message, RETRY_AFTER_MS);
  if (error instanceof ClosingError) return unavailable(error.message, RETRY_AFTER_MS);
  return foreign(error);
}

/** The first few of many names, and how many more there are. */
function fewOf(names: readonly string[]): string {
  const shown = names.slice(0, 5);
  const more = names.length - shown.length;
  if (names.length === 0) return 'no tasks';
  return `${shown.join(', ')}${more === 0 ? '' : ` and ${more} more`}`;
}

/** Of a room's failures, those that are about what this caller asked for: it is this caller who can mend them. */
const ofTheCaller: readonly FailureCode[] = [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'FAILED_PRECONDITION',
  'UNIMPLEMENTED',
];

function foreign(error: unknown): unknown {
  const failure = readFailure(error);
  if (failure?.method === undefined || !ofTheCaller.includes(failure.code)) return error;
  return passedOn(failure);
}

const dot = (field: string): string => (field === '' ? '' : `.${field}`);
