/** Translates what an engine throws into the failures of the contract. */
import { CheckpointError, EngineInputError, UnsupportedError, VersionMismatchError } from '@backsight/engine';
import {
  aborted,
  failedPrecondition,
  invalidArgument,
  notFound,
  resourceExhausted,
  unavailable,
  unimplemented,
} from '@backsight/rpc';
import { BusyError } from './admission.js';
import { NotYetFollowingError } from './weights/follower.js';

/** Time in which a person may free disk space, in milliseconds. */
const diskRetryMs = 60_000;

/** The failure to answer with; an error that no one throws on purpose stays as it is. `name` is the checkpoint asked for. */
export function failureOf(error: unknown, name = ''): unknown {
  if (error instanceof EngineInputError) return invalidArgument(error.violations);
  if (error instanceof UnsupportedError) return unimplemented(error.reason, error.message);
  if (error instanceof BusyError) return resourceExhausted(error.message, error.retryAfterMs);
  if (error instanceof NotYetFollowingError) return unavailable(error.message, error.retryAfterMs);
  if (error instanceof VersionMismatchError) return versionMismatch(error);
  if (error instanceof CheckpointError) return checkpointFailure(error, name);
  return error;
}

function versionMismatch({ actual, expected, message }: VersionMismatchError): Error {
  const metadata = { current_version: String(actual), expected_version: String(expected) };
  return aborted('POLICY_VERSION_MISMATCH', metadata, message);
}

function checkpointFailure(error: CheckpointError, name: string): Error {
  switch (error.reason) {
    case 'missing':
      return notFound('checkpoint', name, 'ListCheckpoints lists those that exist');
    case 'no-space':
      return resourceExhausted(error.message, diskRetryMs);
    case 'invalid':
    case 'io':
      return failedPrecondition(`checkpoint ${name}`, error.message);
  }
}
