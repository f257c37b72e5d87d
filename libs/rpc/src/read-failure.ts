/** Reads what an error of a call says, on the caller's side. */
import { ClientError, ServerError, Status } from 'nice-grpc';
import { type ErrorDetails, RichClientError, RichServerError } from 'nice-grpc-error-details';
import { type Failure, type FailureCode, failureCodes } from './failure.js';
import { isAbort, messageOf } from './thrown.js';

/**
 * The failure behind an error, or undefined when the error is no failure of a call (a bug of the caller itself).
 * An abort by the caller's own signal reads as CANCELLED.
 */
export function readFailure(error: unknown): Failure | undefined {
  if (error instanceof ClientError || error instanceof ServerError) {
    const code = codeOf(error.code);
    const foreign = code === 'UNKNOWN' && error.code !== Status.UNKNOWN ? `${Status[error.code]}: ` : '';
    return {
      code,
      message: foreign + error.details,
      ...(error instanceof ClientError ? { method: error.path.replace(/^\//, '') } : {}),
      ...detailsOf(error),
    };
  }
  if (isAbort(error)) {
    return { code: 'CANCELLED', message: messageOf(error) };
  }
  return undefined;
}

/** One sentence about a failure, to print for people. */
export function describeFailure(failure: Failure): string {
  switch (failure.code) {
    case 'RESOURCE_EXHAUSTED':
    case 'UNAVAILABLE':
      return failure.retryAfterMs === undefined
        ? failure.message
        : `${failure.message} (asks to be tried again after ${failure.retryAfterMs} ms)`;
    case 'INTERNAL':
      return failure.requestId === undefined || failure.message.includes(failure.requestId)
        ? failure.message
        : `${failure.message} (request id ${failure.requestId})`;
    case 'INVALID_ARGUMENT':
    case 'NOT_FOUND':
    case 'FAILED_PRECONDITION':
    case 'ABORTED':
    case 'DEADLINE_EXCEEDED':
    case 'CANCELLED':
    case 'UNIMPLEMENTED':
    case 'UNKNOWN':
      return failure.message;
  }
}

/** A sentence about any error: the failure's, else the error's own message. */
export function describeError(error: unknown): string {
  const failure = readFailure(error);
  if (failure !== undefined) return describeFailure(failure);
  return messageOf(error);
}

function codeOf(status: Status): FailureCode {
  const name: string | undefined = Status[status];
  return failureCodes.find((code) => code === name) ?? 'UNKNOWN';
}

function detailsOf(error: ClientError | ServerError): Partial<Failure> {
  if (!(error instanceof RichClientError) && !(error instanceof RichServerError)) return {};
  return error.extra.reduce((failure, detail) => ({ ...failure, ...readDetail(detail) }), {});
}

function readDetail(detail: ErrorDetails): Partial<Failure> {
  switch (detail.$type) {
    case 'google.rpc.BadRequest':
      return { violations: detail.fieldViolations.map(({ field, description }) => ({ field, description })) };
    case 'google.rpc.PreconditionFailure':
      return {
        violations: detail.violations.map(({ subject, description }) => ({ field: subject, description })),
      };
    case 'google.rpc.ResourceInfo':
      return { resource: { kind: detail.resourceType, name: detail.resourceName } };
    case 'google.rpc.ErrorInfo':
      return { reason: detail.reason, metadata: detail.metadata };
    case 'google.rpc.RetryInfo':
      return detail.retryDelay === undefined
        ? {}
        : { retryAfterMs: detail.retryDelay.seconds * 1000 + detail.retryDelay.nanos / 1e6 };
    case 'google.rpc.RequestInfo':
      return { requestId: detail.requestId };
    default:
      return {};
  }
}
