/** What the judge does wrong, as a status: never a verdict. */
import {
  describeError,
  failedPrecondition,
  isAbort,
  resourceExhausted,
  ServerError,
  Status,
  unavailable,
} from '@backsight/rpc';
import type { Failure } from '@backsight/contract/judge';
import type { Judge } from './judging/judge.js';
import { QueueBudgetSpent, QueueFull } from './judging/queue.js';
import { TaskProgramBroken } from './judging/task-program.js';
import { SandboxFailure } from './sandbox/sandbox.js';

const retryable: readonly Status[] = [
  Status.UNAVAILABLE,
  Status.RESOURCE_EXHAUSTED,
  Status.DEADLINE_EXCEEDED,
];
/** About how long a slot is taken by one submission, in milliseconds. */
const retryAfterMs = 500;

/** The error to throw at the edge. */
export function statusOf(error: unknown): unknown {
  if (isAbort(error)) return error;
  if (error instanceof QueueFull) return resourceExhausted(error.message, retryAfterMs);
  if (error instanceof QueueBudgetSpent) return new ServerError(Status.DEADLINE_EXCEEDED, error.message);
  if (error instanceof SandboxFailure)
    return unavailable(`the sandbox failed twice: ${error.message}`, retryAfterMs);
  // Nothing is known of the program: neither its fault nor the judge's.
  if (error instanceof TaskProgramBroken) return failedPrecondition(error.role, error.message);
  return error;
}

/** A judge whose errors are statuses, for an edge that knows nothing of sandboxes. */
export function withStatuses(judge: Pick<Judge, 'judge'>): Pick<Judge, 'judge'> {
  return {
    async judge(submission, wait) {
      try {
        return await judge.judge(submission, wait);
      } catch (error) {
        throw statusOf(error);
      }
    },
  };
}

/** The failure of one submission of a batch. */
export function failureOf(error: unknown): Failure {
  const status = statusOf(error);
  if (!(status instanceof ServerError)) {
    return {
      code: Status.INTERNAL,
      message: 'the judge failed unexpectedly; its log tells why',
      retryable: false,
    };
  }
  return { code: status.code, message: describeError(status), retryable: retryable.includes(status.code) };
}
