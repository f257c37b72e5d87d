/** The policy under judgement: its client, its card, and how near numbers must be. */
import {
  type DescribeResponse,
  type PolicyServiceClient,
  PolicyServiceDefinition,
} from '@backsight/contract/policy';
import { connect, readFailure, type RoomCallOptions } from '@backsight/rpc';
import { NotOffered } from '../suite/check.js';

/** How far figures may be apart that are computed twice. */
export interface Tolerance {
  /** Of a logprob, in nats. */
  readonly logprob: number;
  /** Of a loss, absolute below 1 and relative above. */
  readonly loss: number;
}

/** What float32 keeps; a policy that computes in bfloat16 needs more. */
export const float32Tolerance: Tolerance = { logprob: 1e-3, loss: 1e-5 };

export interface PolicySubject {
  readonly client: PolicyServiceClient<RoomCallOptions>;
  readonly card: DescribeResponse;
  readonly tolerance: Tolerance;
  /** Aborts every call of the suite. */
  readonly signal: AbortSignal;
  /** Puts the policy back to where the suite found it. Throws `NotOffered` where it keeps no checkpoints. */
  readonly reset: () => Promise<void>;
}

/** The longest that a call of the suite may take, in milliseconds. */
export const callDeadlineMs = 300_000;

/** The checkpoint in which the suite keeps the policy as it found it. */
const found = 'conformance-found';

/** Meets the policy at an address, works with it, and puts it back to where it was. */
export async function withPolicy<T>(
  address: string,
  tolerance: Tolerance,
  signal: AbortSignal,
  work: (subject: PolicySubject) => Promise<T>,
): Promise<T> {
  const { client, close } = connect(PolicyServiceDefinition, address, {
    name: 'policy',
    deadlineMs: callDeadlineMs,
    streamDeadlineMs: callDeadlineMs,
  });
  try {
    const card = await client.describe({}, { signal });
    const keeper = new Keeper(client, signal);
    const reset = () => keeper.reset();
    try {
      return await work({ client, card, tolerance, signal, reset });
    } finally {
      await keeper.putBack();
    }
  } finally {
    close();
  }
}

/** The policy trains, where it trains at all. Throws `NotOffered` of one that only samples. */
export function requireTraining({ card }: PolicySubject): void {
  if ((card.training?.objectives ?? []).length === 0)
    throw new NotOffered('Describe names no objective: it only samples');
}

/** Keeps the policy as it was found in a checkpoint, once something is about to change it. */
class Keeper {
  readonly #client: PolicySubject['client'];
  readonly #signal: AbortSignal;
  #saved: Promise<boolean> | undefined;

  constructor(client: PolicySubject['client'], signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  async reset(): Promise<void> {
    this.#saved ??= this.#save();
    if (!(await this.#saved))
      throw new NotOffered('it keeps no checkpoints, so that what a step changes could not be undone');
    await this.#client.restoreCheckpoint({ name: found }, { signal: this.#signal });
  }

  /** Also after the suite was given up. */
  async putBack(): Promise<void> {
    if (this.#saved !== undefined && (await this.#saved.catch(() => false)))
      await this.#client.restoreCheckpoint({ name: found }).catch(() => undefined);
  }

  #save(): Promise<boolean> {
    return this.#client.saveCheckpoint({ name: found }, { signal: this.#signal }).then(
      () => true,
      (error: unknown) => {
        if (readFailure(error)?.code === 'UNIMPLEMENTED') return false;
        throw error;
      },
    );
  }
}
