/** Calls that must fail: with the right code, naming what is wrong. */
import { type Failure, type FailureCode, readFailure } from '@backsight/rpc';
import { expectThat } from './check.js';

/** The failure of a call that must fail with that code; `what` completes "... must be refused". */
export async function expectFailure(
  what: string,
  code: FailureCode,
  call: () => Promise<unknown>,
): Promise<Failure> {
  const failure = await call().then(
    () => undefined,
    (error: unknown) => {
      const read = readFailure(error);
      if (read === undefined) throw error;
      return read;
    },
  );
  expectThat(failure !== undefined, `${what} must be refused with ${code}, is accepted`);
  expectThat(
    failure.code === code,
    `${what} must be refused with ${code}, is with ${failure.code}: ${failure.message}`,
  );
  return failure;
}

/** A request that can never be right, and the field that a violation must name. */
export interface Mistake {
  readonly what: string;
  /** The field's own name, for example `top_p`. */
  readonly field: string;
  readonly call: () => Promise<unknown>;
}

/** Every mistake must be refused with INVALID_ARGUMENT and a violation that names its field. */
export async function expectRefusals(mistakes: readonly Mistake[]): Promise<void> {
  for (const { what, field, call } of mistakes) {
    const { violations = [], message } = await expectFailure(what, 'INVALID_ARGUMENT', call);
    expectThat(
      violations.some((violation) => violation.field.includes(field)),
      `${what} must be refused with a violation that names ${field}, is with ${violations.map((each) => each.field).join(', ') || `none: ${message}`}`,
    );
  }
}
