/** Plays an episode from the caller's side. */
import type {
  Action,
  EnvironmentServiceClient,
  Observation,
  Outcome,
  PlayRequest,
} from '@backsight/contract/environment';
import type { CallOptions, RoomCallOptions } from '@backsight/rpc';

/** The Play method of a connected client. */
export type Player = Pick<EnvironmentServiceClient<RoomCallOptions>, 'play'>;

/** Which episode to play. */
export interface EpisodeRequest {
  readonly taskId: string;
  readonly seed: number;
}

/** An episode as its caller sees it. */
export interface RemoteEpisode {
  /** Without an action, the first observation; with one, what the world answers; `done` comes with the outcome. */
  next(action?: Action): Promise<IteratorResult<Observation, Outcome>>;
  /** Ends the episode wherever it is, and with it the world; harmless once it is over. Call it in `finally`. */
  close(): void;
}

/**
 * Opens an episode. Its `next` rejects with the call's error, with CANCELLED once the signal aborts or it is closed,
 * and when the stream ends without an outcome.
 */
export function openEpisode(
  client: Player,
  { taskId, seed }: EpisodeRequest,
  options: CallOptions & RoomCallOptions = {},
): RemoteEpisode {
  const closed = new AbortController();
  const signal =
    options.signal === undefined ? closed.signal : AbortSignal.any([options.signal, closed.signal]);
  const requests = requestQueue();
  requests.push({ payload: { $case: 'open', value: { taskId, seed } } });
  const responses = client.play(requests, { ...options, signal })[Symbol.asyncIterator]();

  return {
    async next(action) {
      if (action !== undefined) requests.push({ payload: { $case: 'action', value: action } });
      const step = await responses.next();
      if (step.done === true)
        throw new Error(`the environment ended the episode of "${taskId}" without an outcome`);
      const { payload } = step.value;
      switch (payload?.$case) {
        case 'observation':
          return { done: false, value: payload.value };
        case 'outcome':
          requests.end();
          await responses.next(); // the status behind the outcome, so that the call ends as OK
          return { done: true, value: payload.value };
        case undefined:
          throw new Error(`the environment sent an empty message in the episode of "${taskId}"`);
      }
    },
    close: () => {
      requests.end();
      closed.abort();
    },
  };
}

/** Plays a whole episode; `act` answers each observation, in turn counted from 0. Returns the outcome. */
export async function playEpisode(
  client: Player,
  request: EpisodeRequest,
  act: (observation: Observation, turn: number) => Action | Promise<Action>,
  options: CallOptions & RoomCallOptions = {},
): Promise<Outcome> {
  const episode = openEpisode(client, request, options);
  try {
    let step = await episode.next();
    for (let turn = 0; step.done !== true; turn++) step = await episode.next(await act(step.value, turn));
    return step.value;
  } finally {
    episode.close();
  }
}

interface RequestQueue extends AsyncIterable<PlayRequest> {
  push(request: PlayRequest): void;
  end(): void;
}

/** Requests in the order pushed, for the call to take as it can. */
function requestQueue(): RequestQueue {
  const waiting: PlayRequest[] = [];
  let ended = false;
  let wake = (): void => undefined;
  return {
    push: (request) => {
      waiting.push(request);
      wake();
    },
    end: () => {
      ended = true;
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const request = waiting.shift();
        if (request !== undefined) yield request;
        else if (ended) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
