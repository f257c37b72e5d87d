/** Serves an environment as EnvironmentService: the edge between the coroutine and the stream. */
import type { EnvironmentServiceImplementation, PlayResponse } from '@backsight/contract/environment';
import {
  type CallIdentity,
  createLogger,
  invalidArgument,
  type Logger,
  notFound,
  resourceExhausted,
} from '@backsight/rpc';
import { type Actions, readActions } from './actions.js';
import type { Action, Environment, Observation, Outcome } from './environment.js';
import { completeOutcome } from './outcome.js';
import { pageOf } from './paging.js';

/** What a served environment may be given. */
export interface EnvironmentServiceOptions {
  /** Logs the end of episodes at debug level. Default: warnings to stderr. */
  readonly logger?: Logger;
  /** How long a caller is asked to wait when every place is taken, in milliseconds. Default 500. */
  readonly retryAfterMs?: number;
}

/** The service of an environment. */
export function environmentService(
  environment: Environment,
  options: EnvironmentServiceOptions = {},
): EnvironmentServiceImplementation<CallIdentity> {
  const { logger = createLogger({ name: environment.name, level: 'warn' }), retryAfterMs = 500 } = options;
  let playing = 0;

  return {
    async describe() {
      const { name, maxTurns, capacity } = environment;
      return { name, maxTurns, capacity, splits: await environment.splits() };
    },

    async listTasks({ split, pageSize, pageToken }) {
      const tasks = await environment.tasks(split);
      if (tasks === undefined) {
        const names = (await environment.splits()).map(({ name }) => name);
        throw notFound('split', split, `the splits are ${names.join(', ')}`);
      }
      const page = pageOf(tasks, split, pageSize, pageToken);
      if (page === undefined) {
        const description = `is none that a page of the split "${split}" ended with; begin again without one`;
        throw invalidArgument([{ field: 'page_token', description }]);
      }
      return { tasks: page.items, nextPageToken: page.nextPageToken };
    },

    async *play(requests, { signal, caller }) {
      const actions = readActions(requests);
      const { taskId, seed } = await actions.open();
      if (playing >= environment.capacity) {
        const full = `${environment.name} plays ${environment.capacity} episodes already`;
        throw resourceExhausted(full, retryAfterMs);
      }
      const episode = environment.play(taskId, { seed, signal, caller });
      if (episode === undefined) {
        throw notFound('task', taskId, `ListTasks names the tasks of ${environment.name}`);
      }
      playing += 1;
      try {
        yield* converse(episode, actions, environment.maxTurns);
        logger.debug({ taskId, seed }, 'episode ended');
      } finally {
        playing -= 1;
      }
    },
  };
}

/** Observation, action, observation, ... outcome. However it ends, the episode's `finally` runs. */
async function* converse(
  episode: AsyncIterator<Observation, Outcome, Action>,
  actions: Actions,
  maxTurns: number,
): AsyncGenerator<PlayResponse, void, void> {
  try {
    let step = await episode.next();
    for (let turn = 1; step.done !== true; turn++) {
      if (turn > maxTurns)
        throw new Error(`the environment asks for an action beyond its maxTurns ${maxTurns}`);
      const { messages, tools = [] } = step.value;
      yield { payload: { $case: 'observation', value: { messages, tools } } };
      step = await episode.next(await actions.next());
    }
    yield { payload: { $case: 'outcome', value: completeOutcome(step.value, actions.last()) } };
  } finally {
    await episode.return?.();
  }
}
