/** A policy that passes every call on to another one, for tests that change a call on its way. */
import type { PolicyServiceClient, PolicyServiceImplementation } from '@backsight/contract/policy';
import { type CallIdentity, passedOn, readFailure } from '@backsight/rpc';

/** Passes every call on. */
export function passingOn(client: PolicyServiceClient): PolicyServiceImplementation<CallIdentity> {
  return {
    describe: (request, { signal }) => client.describe(request, { signal }),
    generate: (request, { signal }) => client.generate(request, { signal }),
    score: (request, { signal }) => client.score(request, { signal }),
    trainStep: (requests, { signal }) => client.trainStep(requests, { signal }),
    saveCheckpoint: (request, { signal }) => client.saveCheckpoint(request, { signal }),
    restoreCheckpoint: (request, { signal }) => client.restoreCheckpoint(request, { signal }),
    listCheckpoints: (request, { signal }) => client.listCheckpoints(request, { signal }),
    exportCheckpoint: (request, { signal }) => client.exportCheckpoint(request, { signal }),
    pullWeights: (request, { signal }) => client.pullWeights(request, { signal }),
  };
}

/** A client whose failures can be thrown on by a room that calls it. */
export function openly(client: PolicyServiceClient): PolicyServiceClient {
  const told = (error: unknown): never => {
    const failure = readFailure(error);
    throw failure === undefined ? error : passedOn(failure);
  };
  async function* stream(answers: AsyncIterable<unknown>) {
    try {
      yield* answers;
    } catch (error) {
      told(error);
    }
  }
  type Answer = Promise<unknown> | AsyncIterable<unknown>;
  return new Proxy(client, {
    get:
      (target, name: keyof PolicyServiceClient) =>
      (...call: unknown[]) => {
        const answer = (target[name] as (...call: unknown[]) => Answer)(...call);
        return Symbol.asyncIterator in answer ? stream(answer) : answer.catch(told);
      },
  });
}
