/** There is no run of that name. */
export class NoSuchRunError extends Error {
  override readonly name = 'NoSuchRunError';
  constructor(readonly runId: string) {
    super(`There is no run ${runId}.`);
  }
}

/** There is no task of that name in the split. */
export class NoSuchTaskError extends Error {
  override readonly name = 'NoSuchTaskError';
  constructor(
    readonly taskId: string,
    readonly split: string,
    /** All that the split has. */
    readonly taskIds: readonly string[],
  ) {
    super(`The split ${split} has no task ${taskId}.`);
  }
}

/** The right request at the wrong moment; `what` is the thing whose state is not so. */
export class PreconditionError extends Error {
  override readonly name = 'PreconditionError';
  constructor(
    readonly what: string,
    readonly problem: string,
  ) {
    super(`${what}: ${problem}`);
  }
}
