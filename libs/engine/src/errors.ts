/** The closed set of errors an engine throws on purpose; anything else is a bug. */

/** One field of a request and what is wrong with it. */
export interface FieldViolation {
  /** Path of the field, for example `examples[3].completion_ids`. */
  readonly field: string;
  readonly description: string;
}

/** A request that can never be right. */
export class EngineInputError extends Error {
  override readonly name = 'EngineInputError';

  constructor(readonly violations: readonly FieldViolation[]) {
    super(violations.map(({ field, description }) => `${field}: ${description}`).join('; '));
  }
}

/** The policy is at another version than the caller expected. */
export class VersionMismatchError extends Error {
  override readonly name = 'VersionMismatchError';

  constructor(
    readonly expected: number,
    readonly actual: number,
  ) {
    super(`The policy is at version ${actual}, not ${expected}.`);
  }
}

/** Why a model folder or a checkpoint could not be read or written. */
export type CheckpointErrorReason =
  /** There is no such checkpoint or file. */
  | 'missing'
  /** Its content is wrong: a tensor is missing, misshapen or corrupt, or a setting is not supported. */
  | 'invalid'
  /** The disk is full; nothing was left behind. */
  | 'no-space'
  /** The file system refused. */
  | 'io';

/** A file of a model folder or of a checkpoint is not what it should be. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
  readonly reason: CheckpointErrorReason;
  readonly file: string;
  readonly tensor: string | undefined;
  readonly problem: string;

  constructor(
    what: {
      readonly reason: CheckpointErrorReason;
      readonly file: string;
      readonly tensor?: string;
      readonly problem: string;
    },
    options?: ErrorOptions,
  ) {
    const tensor = what.tensor === undefined ? '' : `tensor "${what.tensor}": `;
    super(`${what.file}: ${tensor}${what.problem}`, options);
    this.reason = what.reason;
    this.file = what.file;
    this.tensor = what.tensor;
    this.problem = what.problem;
  }
}

/** A right request for something this engine does not have. */
export class UnsupportedError extends Error {
  override readonly name = 'UnsupportedError';

  constructor(
    /** In UPPER_SNAKE_CASE, for programs: for example `TRUST_REGION_TEACHER`. */
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}
