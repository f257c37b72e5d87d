/** Errors as values that can be sent between threads, where a class does not survive. */
import {
  CheckpointError,
  EngineInputError,
  UnsupportedError,
  VersionMismatchError,
  type CheckpointErrorReason,
  type FieldViolation,
} from '@backsight/engine';

/** One of the errors that engines throw on purpose, or any other. */
export type PackedError =
  | { readonly kind: 'input'; readonly violations: readonly FieldViolation[] }
  | { readonly kind: 'version'; readonly expected: number; readonly actual: number }
  | {
      readonly kind: 'checkpoint';
      readonly reason: CheckpointErrorReason;
      readonly file: string;
      readonly tensor: string | undefined;
      readonly problem: string;
    }
  | { readonly kind: 'unsupported'; readonly reason: string; readonly message: string }
  | {
      readonly kind: 'other';
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
    };

export function packError(error: unknown): PackedError {
  if (error instanceof EngineInputError) return { kind: 'input', violations: error.violations };
  if (error instanceof VersionMismatchError)
    return { kind: 'version', expected: error.expected, actual: error.actual };
  if (error instanceof CheckpointError) {
    const { reason, file, tensor, problem } = error;
    return { kind: 'checkpoint', reason, file, tensor, problem };
  }
  if (error instanceof UnsupportedError)
    return { kind: 'unsupported', reason: error.reason, message: error.message };
  if (error instanceof Error)
    return { kind: 'other', name: error.name, message: error.message, stack: error.stack };
  return { kind: 'other', name: 'Error', message: String(error), stack: undefined };
}

export function unpackError(packed: PackedError): Error {
  switch (packed.kind) {
    case 'input':
      return new EngineInputError(packed.violations);
    case 'version':
      return new VersionMismatchError(packed.expected, packed.actual);
    case 'checkpoint': {
      const { reason, file, tensor, problem } = packed;
      return new CheckpointError({ reason, file, problem, ...(tensor !== undefined && { tensor }) });
    }
    case 'unsupported':
      return new UnsupportedError(packed.reason, packed.message);
    case 'other': {
      const error = new Error(packed.message);
      error.name = packed.name;
      // Where it was thrown, not where it was read.
      if (packed.stack !== undefined) error.stack = packed.stack;
      return error;
    }
  }
}
