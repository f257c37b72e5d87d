/** The policy is at a version that the run neither left it at nor was taking it to. */
export class PolicyMovedOnError extends Error {
  override readonly name = 'PolicyMovedOnError';
  constructor(
    readonly found: number,
    readonly expected: string,
  ) {
    super(`The policy is at version ${found}, the run expects ${expected}.`);
  }
}
