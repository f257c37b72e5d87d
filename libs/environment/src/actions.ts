/** Reads a Play stream: the opening first and only first, then one action per observation. */
import type { Action, Open, PlayRequest } from '@backsight/contract/environment';
import { invalidArgument, ServerError, Status } from '@backsight/rpc';

/** The caller's side of an episode. */
export interface Actions {
  open(): Promise<Open>;
  next(): Promise<Action>;
  /** The action read last, if any. */
  last(): Action | undefined;
}

/** Reads requests in turn; a message out of turn is INVALID_ARGUMENT, a caller that leaves is CANCELLED. */
export function readActions(requests: AsyncIterable<PlayRequest>): Actions {
  const stream = requests[Symbol.asyncIterator]();
  let last: Action | undefined;

  const payload = async (expected: string): Promise<NonNullable<PlayRequest['payload']>> => {
    const step = await stream.next();
    if (step.done === true)
      throw new ServerError(Status.CANCELLED, `the caller left before it sent ${expected}`);
    if (step.value.payload === undefined) throw outOfTurn('payload', `is empty; send ${expected}`);
    return step.value.payload;
  };

  return {
    async open() {
      const first = await payload('open');
      if (first.$case === 'open') return first.value;
      throw outOfTurn('action', 'came before open; the first message opens a task');
    },
    async next() {
      const answer = await payload('an action');
      if (answer.$case === 'open') {
        throw outOfTurn('open', 'came twice; one stream is one episode, so open another stream');
      }
      last = answer.value;
      return last;
    },
    last: () => last,
  };
}

function outOfTurn(field: string, description: string): Error {
  return invalidArgument([{ field, description }]);
}
