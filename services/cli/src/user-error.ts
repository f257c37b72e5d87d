/** A mistake or a missing thing that a person can mend: one clear sentence, no stack trace. */
export class UserError extends Error {
  override readonly name = 'UserError';

  constructor(
    message: string,
    /** Process exit code. */
    readonly exitCode: number = 1,
  ) {
    super(message);
  }
}

/** The message of anything thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
