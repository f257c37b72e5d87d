/** The errors that a service edge throws: one constructor per row of the failure table, each with its google.rpc detail. */
import { Status } from 'nice-grpc';
import {
  BadRequest,
  ErrorInfo,
  PreconditionFailure,
  RequestInfo,
  ResourceInfo,
  RetryInfo,
  RichServerError,
} from 'nice-grpc-error-details';
import type { Failure, Violation } from './failure.js';

/** The `domain` of every ErrorInfo that a room sends. */
const domain = 'backsight';

/**
 * Status and details travel in one HTTP/2 header block (8 KiB by convention), so words (in characters) and lists are
 * bounded. Violations share the room that their descriptions have.
 */
const longest = { message: 700, field: 120, description: 120, violations: 16, descriptions: 1200 };

/** The request can never be right: INVALID_ARGUMENT with a BadRequest, one violation per field. */
export function invalidArgument(violations: readonly Violation[]): RichServerError {
  const told = bounded(violations);
  return new RichServerError(Status.INVALID_ARGUMENT, sentence(told, violations.length), [
    BadRequest.fromPartial({ fieldViolations: told }),
  ]);
}

/** There is no such task, run or checkpoint: NOT_FOUND with a ResourceInfo. The hint says where to look. */
export function notFound(kind: string, name: string, hint?: string): RichServerError {
  const sentence = `there is no ${kind} "${cut(name, longest.description)}"${hint === undefined ? '' : `; ${hint}`}`;
  return new RichServerError(Status.NOT_FOUND, cut(sentence, longest.message), [
    ResourceInfo.fromPartial({ resourceType: kind, resourceName: cut(name, longest.description) }),
  ]);
}

/** The right request at the wrong moment: FAILED_PRECONDITION; `what` is the thing whose state is not so. */
export function failedPrecondition(what: string, description: string): RichServerError {
  const told = cut(description, longest.message);
  return new RichServerError(Status.FAILED_PRECONDITION, `${what}: ${told}`, [
    PreconditionFailure.fromPartial({
      violations: [{ type: 'STATE', subject: what, description: cut(description, longest.description) }],
    }),
  ]);
}

/** The world has moved on: ABORTED with an ErrorInfo, so that the caller can reconcile. */
export function aborted(
  reason: string,
  metadata: Readonly<Record<string, string>>,
  message?: string,
): RichServerError {
  const facts = Object.entries(metadata).map(([name, value]) => `${name} ${value}`);
  return new RichServerError(Status.ABORTED, cut(message ?? [reason, ...facts].join(', '), longest.message), [
    ErrorInfo.fromPartial({ reason, domain, metadata: { ...metadata } }),
  ]);
}

/** Full, for now: RESOURCE_EXHAUSTED with a RetryInfo. */
export function resourceExhausted(message: string, retryAfterMs: number): RichServerError {
  return new RichServerError(Status.RESOURCE_EXHAUSTED, cut(message, longest.message), [
    retryInfo(retryAfterMs),
  ]);
}

/** A room, a sandbox or a device is away: UNAVAILABLE with a RetryInfo. */
export function unavailable(message: string, retryAfterMs: number): RichServerError {
  return new RichServerError(Status.UNAVAILABLE, cut(message, longest.message), [retryInfo(retryAfterMs)]);
}

/** This room has no such ability: UNIMPLEMENTED with an ErrorInfo. */
export function unimplemented(reason: string, message: string): RichServerError {
  return new RichServerError(Status.UNIMPLEMENTED, cut(message, longest.message), [
    ErrorInfo.fromPartial({ reason, domain }),
  ]);
}

/** A bug: INTERNAL with a RequestInfo and nothing about the cause, which the room's log has. */
export function internal(room: string, requestId: string): RichServerError {
  return new RichServerError(
    Status.INTERNAL,
    `${room} failed unexpectedly; its log tells why under request id ${requestId}`,
    [RequestInfo.fromPartial({ requestId })],
  );
}

/** The failure of another room, passed on to this room's caller word for word, because it is about what the caller asked for. */
export function passedOn(failure: Failure): RichServerError {
  const { code, message, violations = [], resource, reason, metadata = {}, retryAfterMs } = failure;
  const fields = violations.map(({ field, description }) => ({
    type: 'STATE',
    subject: field,
    field,
    description,
  }));
  return new RichServerError(Status[code], cut(message, longest.message), [
    ...(code === 'INVALID_ARGUMENT' ? [BadRequest.fromPartial({ fieldViolations: fields })] : []),
    ...(code === 'FAILED_PRECONDITION' ? [PreconditionFailure.fromPartial({ violations: fields })] : []),
    ...(resource === undefined
      ? []
      : [ResourceInfo.fromPartial({ resourceType: resource.kind, resourceName: resource.name })]),
    ...(reason === undefined ? [] : [ErrorInfo.fromPartial({ reason, domain, metadata: { ...metadata } })]),
    ...(retryAfterMs === undefined ? [] : [retryInfo(retryAfterMs)]),
  ]);
}

function retryInfo(retryAfterMs: number): RetryInfo {
  const seconds = Math.floor(retryAfterMs / 1000);
  return RetryInfo.fromPartial({
    retryDelay: { seconds, nanos: Math.round((retryAfterMs - seconds * 1000) * 1e6) },
  });
}

function bounded(violations: readonly Violation[]): Violation[] {
  const told = violations.slice(0, longest.violations);
  const share = Math.floor(longest.descriptions / told.length);
  return told.map(({ field, description }) => ({
    field: cut(field, longest.field),
    description: cut(description, Math.min(longest.message, Math.max(longest.description, share))),
  }));
}

function sentence(told: readonly Violation[], count: number): string {
  const words = told.map(({ field, description }) =>
    field === '' ? description : `${field}: ${description}`,
  );
  const more = count > told.length ? `; and ${count - told.length} more` : '';
  return cut(words.join('; '), longest.message) + more;
}

/** The text's beginning; well-formed, since half a surrogate pair cannot be encoded. */
function cut(text: string, length: number): string {
  const kept = text.length <= length ? text : `${text.slice(0, length - 3)}...`;
  return Buffer.from(kept, 'utf8').toString('utf8');
}
