/** A run under way: its recipe, its rooms and its books, in one value that the arrows pass along. */
import type { Logger } from '@backsight/rpc';
import type { Metrics } from '@backsight/sdpo';
import type { Recipe } from '../recipe/recipe.js';
import type { Patience } from '../rooms/patience.js';
import type { Rooms } from '../rooms/rooms.js';
import type { EventKind } from '../store/events.js';
import type { Store } from '../store/store.js';
import { Ahead } from './ahead.js';
import { Crew } from './crew.js';
import type { PlayedStep } from './played-step.js';
import { describePolicy, meetPlayers, partiesOf, type Players, taskIdsOf } from './players.js';
import type { Transaction } from './transaction.js';

export interface OpenRun {
  readonly runId: string;
  readonly recipe: Recipe;
  readonly players: Players;
  /** The tasks to train on, in their order. */
  readonly taskIds: readonly string[];
  readonly store: Store;
  readonly logger: Logger;
  /** Steps that are played before they train. */
  readonly ahead: Ahead<PlayedStep>;
  /** Metrics of every finished step, in order. */
  readonly history: Metrics[];
  /** Versions of every finished step of this run, in order. */
  readonly transactions: Transaction[];
  /** Tells those who watch how far a phase is; nothing is stored. */
  readonly progress: (phase: Phase, step: number, done: number, total: number) => void;
}

export type Phase = 'rollout' | 'train' | 'evaluate';

/** What a run is given to run with. */
export interface RunMeans {
  readonly store: Store;
  readonly rooms: Rooms;
  readonly logger: Logger;
  readonly patience: Patience;
  readonly progress: OpenRun['progress'];
  /** Plays a step, perhaps before it is its turn to train. */
  readonly play: (run: OpenRun, step: number, signal: AbortSignal) => Promise<PlayedStep>;
}

/** Meets the rooms of a run and reads its books. */
export async function openRun(runId: string, recipe: Recipe, means: RunMeans): Promise<OpenRun> {
  const { store, rooms, patience } = means;
  const players = await meetPlayers(rooms, partiesOf(recipe), patience);
  const taskIds = await taskIdsOf(players, recipe);
  const crew = crewOf(runId, recipe, means);
  const run: OpenRun = {
    runId,
    recipe,
    players: { ...players, caller: runId, ...(crew === undefined ? {} : { crew }) },
    taskIds,
    store,
    logger: means.logger,
    ahead: new Ahead((step, signal) => means.play(run, step, signal)),
    history: [...(await store.journal.history(runId))],
    transactions: [...(await store.journal.transactions(runId))],
    progress: means.progress,
  };
  return run;
}

/** Those who sample in the policy's place, if the recipe names any. Whoever opens a run closes it. */
function crewOf(runId: string, recipe: Recipe, { store, rooms, logger }: RunMeans): Crew | undefined {
  const { address, followers = [] } = recipe.policy;
  if (followers.length === 0) return undefined;
  const onBehind = (): void => {
    warn({ runId, store }, 'followers-behind', behind(address)).catch((error: unknown) => {
      logger.error({ err: error }, 'a warning was not stored');
    });
  };
  return new Crew(
    rooms.policy(address),
    followers.map((follower) => rooms.policy(follower)),
    { logger, onBehind },
  );
}

const behind = (address: string): string =>
  `No follower came to have the policy's weights in time, so the policy samples itself. Were they started with --follow ${address}?`;

/** Tells the crew which weights the policy has now: after taking hold of it, and after each step. */
export async function meetWeights({ players }: Pick<OpenRun, 'players'>): Promise<void> {
  const { crew, policy, patience } = players;
  if (crew === undefined) return;
  const sinceMs = performance.now();
  crew.policyHas(await describePolicy(policy, patience, { brief: true }), sinceMs);
}

/** The policy's version after the last finished step. */
export async function versionOf({ runId, store }: Pick<OpenRun, 'runId' | 'store'>): Promise<number> {
  const record = await store.runs.get(runId);
  if (record?.policyVersion === undefined) throw new Error(`Run ${runId} has not taken hold of its policy.`);
  return record.policyVersion;
}

/** The version after a step that is finished; before the first one, that which the run began with. */
export async function versionAfter(
  run: Pick<OpenRun, 'runId' | 'store' | 'transactions'>,
  step: number,
): Promise<number> {
  const { transactions } = run;
  const taken = transactions.find((each) => each.step === step);
  if (taken !== undefined) return taken.expectedVersion;
  const [first] = transactions;
  return step < 1 && first !== undefined ? first.startVersion : versionOf(run);
}

/** Tells those who watch something that a person should know. */
export async function warn(
  { runId, store }: Pick<OpenRun, 'runId' | 'store'>,
  code: string,
  message: string,
): Promise<void> {
  await store.journal.append(runId, [warning(code, message)]);
}

export const warning = (code: string, message: string): EventKind => ({
  $case: 'warning',
  value: { code, message },
});
