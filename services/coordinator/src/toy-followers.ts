/** Followers for tests: scripted policies that have their trainer's weights as long as they follow it. */
import { PolicyServiceDefinition } from '@backsight/contract/policy';
import { createLogger, serve, service } from '@backsight/rpc';

const logger = createLogger({ name: 'toy', level: 'silent' });

/** A scripted policy, as far as a follower needs it. */
interface Scripted {
  version: number;
  weightsId: string;
  readonly implementation: Parameters<typeof service<typeof PolicyServiceDefinition>>[1];
}

export interface ToyFollower<Policy extends Scripted> {
  readonly policy: Policy;
  readonly address: string;
  /** Whether it takes over its trainer's weights whenever it is asked what it has. Begins as true. */
  following: boolean;
  /** Whether it has stopped answering, though its connections stand. Begins as false. */
  hangs: boolean;
  /** Ends at once, as a killed process does. */
  kill(): Promise<void>;
}

/** Serves a follower of `trainer`; close it with `kill`. */
export async function serveToyFollower<Policy extends Scripted>(
  trainer: Pick<Scripted, 'version' | 'weightsId'>,
  policy: Policy,
): Promise<ToyFollower<Policy>> {
  const own = policy.implementation;
  const never = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        resolve();
      });
    });
  const answers: typeof own = {
    ...own,
    async describe(request, context) {
      if (follower.hangs) await never(context.signal);
      if (follower.following) {
        policy.version = trainer.version;
        policy.weightsId = trainer.weightsId;
      }
      const training = { objectives: [], teachers: [], maxSupport: 0, commits: false };
      return { ...(await own.describe(request, context)), training };
    },
    async *generate(request, context) {
      for await (const answer of own.generate(request, context)) {
        if (follower.hangs) await never(context.signal);
        yield answer;
      }
    },
  };
  const server = await serve({
    name: 'follower',
    address: '127.0.0.1:0',
    services: [service(PolicyServiceDefinition, answers)],
    logger,
  });
  const follower = {
    policy,
    address: server.address,
    following: true,
    hangs: false,
    kill: () => server.shutdown(0),
  };
  return follower;
}
