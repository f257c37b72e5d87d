/** A run under way: its recipe, its rooms and its books, in one value that the arrows pass along. */
import type { Logger } from '@backsight/rpc';
import type { Metrics } from '@backsight/sdpo';
import type { Recipe } from '../recipe/recipe.js';
import type { Patience } from '../rooms/patience.js';
import type { Rooms } from '../rooms/rooms.js';
import type { EventKind } from '../store/events.js';
import type { Store } from '../store/store.js';
import { Ahead } from './ahead.js';
import type { PlayedStep } from './played-step.js';
import { meetPlayers, partiesOf, type Players, taskIdsOf } from './players.js';

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
  const run: OpenRun = {
    runId,
    recipe,
    players,
    taskIds: await taskIdsOf(players, recipe),
    store,
    logger: means.logger,
    ahead: new Ahead((step, signal) => means.play(run, step, signal)),
    history: [...(await store.journal.history(runId))],
    progress: means.progress,
  };
  return run;
}

/** The policy's version after the last finished step. */
export async function versionOf({ runId, store }: Pick<OpenRun, 'runId' | 'store'>): Promise<number> {
  const record = await store.runs.get(runId);
  if (record?.policyVersion === undefined) throw new Error(`Run ${runId} has not taken hold of its policy.`);
  return record.policyVersion;
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
