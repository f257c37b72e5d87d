/** Jest matchers of this project; importing the file registers them. */
import { expect } from '@jest/globals';
import { describeError, type Failure, readFailure } from '@backsight/rpc';

declare module 'expect' {
  interface Matchers<R> {
    /** Every element within `tolerance` (absolute; default 1e-9) of the expected one, and as many of them. */
    toBeCloseToArray(expected: ArrayLike<number>, tolerance?: number): R;
    /** The promise rejects with a failure of a call that has these fields: `await expect(call).toFailWith({ code: 'NOT_FOUND' })`. */
    toFailWith(expected: Partial<Failure>): Promise<void>;
  }
}

expect.extend({
  toBeCloseToArray(received: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-9) {
    const worst = farthest(received, expected);
    const near = received.length === expected.length && worst.distance <= tolerance;
    return {
      pass: near,
      message: () =>
        received.length === expected.length
          ? `element ${worst.index}: expected ${expected[worst.index]}, received ${received[worst.index]}, ` +
            `${worst.distance} apart (tolerance ${tolerance})`
          : `expected ${expected.length} elements, received ${received.length}`,
    };
  },

  async toFailWith(received: Promise<unknown>, expected: Partial<Failure>) {
    const outcome = await received.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    if ('value' in outcome) {
      return { pass: false, message: () => `expected a failure, received ${JSON.stringify(outcome.value)}` };
    }
    const failure = readFailure(outcome.error);
    return {
      pass: failure !== undefined && this.equals(failure, expect.objectContaining(expected)),
      message: () =>
        failure === undefined
          ? `expected a failure of a call, received ${describeError(outcome.error)}`
          : `expected ${this.utils.printExpected(expected)}\nreceived ${this.utils.printReceived(failure)}`,
    };
  },
});

function farthest(a: ArrayLike<number>, b: ArrayLike<number>): { index: number; distance: number } {
  let worst = { index: -1, distance: 0 };
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const distance =
      a[index] === b[index] ? 0 : Math.abs((a[index] ?? Number.NaN) - (b[index] ?? Number.NaN));
    // NaN differs from everything.
    if (!(distance <= worst.distance))
      worst = { index, distance: Number.isNaN(distance) ? Infinity : distance };
  }
  return worst;
}
