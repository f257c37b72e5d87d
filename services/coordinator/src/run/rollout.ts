/**
 * Plays groups of episodes: opens each, samples their prompts together, plays every completion as soon as it ends, and so
 * on turn by turn until all have an outcome. An infrastructure failure is waited out or thrown; it never becomes a reward.
 */
import type { Completion } from '@backsight/contract/policy';
import type { Recipe } from '../recipe/recipe.js';
import type { PlayedEpisode } from '../store/rollout-record.js';
import type { Players } from './players.js';
import { type Batch, type Draw, freshTally, type SampleTally } from './draw.js';
import { sample } from './sample.js';
import { Seat, type SeatRequest } from './seat.js';

/** A task that is played some times. */
export interface GroupRequest {
  /** Its place in the step. */
  readonly groupIndex: number;
  readonly taskId: string;
  /** Index of its first episode. Default 0. */
  readonly firstSample?: number;
  /** The prompt to begin with in place of the task's own. Shape [P]. */
  readonly openingIds?: readonly number[];
}

/** What to play and how. */
export interface PlayRequest {
  readonly groups: readonly GroupRequest[];
  /** Episodes of each task. */
  readonly groupSize: number;
  readonly sampling: Recipe['sampling'];
  /** The seed of what a path names. */
  readonly seedOf: (...path: readonly (string | number)[]) => number;
  /** The oldest version of the weights that may sample. */
  readonly oldestVersion: number;
  /** Rejects a completion that the wrong weights have sampled. */
  readonly checkVersion: (policyVersion: number) => void;
  /** Told when all episodes of a group are played. */
  readonly onGroup: (episodes: readonly PlayedEpisode[]) => Promise<void>;
  /** Told after each episode. */
  readonly onProgress: (done: number, total: number) => void;
}

/** What playing took. */
export interface PlayReport {
  /** Mean time that the environment took to answer an episode's actions, in seconds. */
  readonly answerSeconds: number;
  /** Who sampled. */
  readonly sampled: Readonly<SampleTally>;
}

export async function playGroups(players: Players, request: PlayRequest): Promise<PlayReport> {
  const total = request.groups.length * request.groupSize;
  const board = new Board(request, total);
  const tally = freshTally();
  const capacity = players.environmentCard.capacity === 0 ? total : players.environmentCard.capacity;
  for (const [wave, seats] of waves(seatRequests(request), request.groupSize, capacity).entries()) {
    await playWave(players, { ...request, tally }, board, seats, wave);
  }
  return { answerSeconds: total === 0 ? 0 : board.answerSeconds / total, sampled: tally };
}

function seatRequests({ groups, groupSize, seedOf }: PlayRequest): readonly SeatRequest[] {
  return groups.flatMap(({ taskId, firstSample = 0, ...group }) =>
    Array.from({ length: groupSize }, (_, index) => {
      const sampleIndex = firstSample + index;
      return { ...group, sampleIndex, taskId, seed: seedOf('episode', taskId, sampleIndex) };
    }),
  );
}

/** As many seats at a time as the environment has places, whole groups if a group fits. */
function waves(
  seats: readonly SeatRequest[],
  groupSize: number,
  capacity: number,
): readonly (readonly SeatRequest[])[] {
  const size = groupSize <= capacity ? Math.floor(capacity / groupSize) * groupSize : capacity;
  return Array.from({ length: Math.ceil(seats.length / size) }, (_, wave) =>
    seats.slice(wave * size, (wave + 1) * size),
  );
}

/** Seats of one wave are played to their ends; when one fails, all are given up and what failed first is thrown. */
async function playWave(
  players: Players,
  request: PlayRequest & Pick<Draw, 'tally'>,
  board: Board,
  seatRequests: readonly SeatRequest[],
  wave: number,
): Promise<void> {
  const scope = new AbortController();
  const signal = AbortSignal.any([players.patience.signal, scope.signal]);
  const table: Players = { ...players, patience: { ...players.patience, signal } };
  const seats = seatRequests.map((seat) => new Seat(seat, table));
  const together = async (work: readonly Promise<void>[]): Promise<void> => {
    await Promise.all(
      work.map((each) =>
        each.catch((error: unknown) => {
          scope.abort(error);
        }),
      ),
    );
  };
  const answer = async (seat: Seat, completion: Completion): Promise<void> => {
    await seat.answer(completion);
    await board.collect(seat);
  };
  const playBatch = async ({ batch, places }: SeatedBatch, seed: number): Promise<void> => {
    const answers: Promise<void>[] = [];
    try {
      const { sampling, oldestVersion, tally } = request;
      for await (const completion of sample(table, batch, { sampling, seed, oldestVersion, tally })) {
        request.checkVersion(completion.policyVersion);
        answers.push(together([answer(seatAt(places, batch, completion), completion)]));
      }
    } finally {
      await Promise.all(answers);
    }
  };
  try {
    await together(seats.map((seat) => seat.open()));
    signal.throwIfAborted();
    for (const seat of seats) await board.collect(seat);
    for (let round = 0; ; round += 1) {
      const waiting = seats.filter((seat) => seat.promptIds !== undefined);
      if (waiting.length === 0) return;
      const seed = request.seedOf('sampling', wave, round);
      await together(batches(waiting).map((batch) => playBatch(batch, seed)));
      signal.throwIfAborted();
    }
  } finally {
    scope.abort();
    for (const seat of seats) seat.close();
  }
}

/** A batch with the seats that its completions go to, prompt by prompt. */
interface SeatedBatch {
  readonly batch: Batch;
  readonly places: readonly (readonly Seat[])[];
}

/** Seats of a group that were asked the same share one prompt; prompts with equally many seats share one call. */
function batches(waiting: readonly Seat[]): readonly SeatedBatch[] {
  const byPrompt = new Map<string, Seat[]>();
  for (const seat of waiting) {
    const key = `${seat.request.groupIndex}:${seat.promptIds?.join() ?? ''}`;
    byPrompt.set(key, [...(byPrompt.get(key) ?? []), seat]);
  }
  const bySize = new Map<number, Seat[][]>();
  for (const seats of byPrompt.values())
    bySize.set(seats.length, [...(bySize.get(seats.length) ?? []), seats]);
  return [...bySize].map(([groupSize, places]) => ({
    batch: { prompts: places.map(([seat]) => seat?.promptIds ?? []), groupSize },
    places,
  }));
}

function seatAt(places: SeatedBatch['places'], batch: Batch, completion: Completion): Seat {
  const seat = places[completion.promptIndex]?.[completion.sampleIndex];
  if (seat !== undefined) return seat;
  throw new Error(
    `The policy sent completion ${completion.sampleIndex} of prompt ${completion.promptIndex}, asked for ${batch.groupSize} each of ${batch.prompts.length}.`,
  );
}

/** Gathers episodes into groups and tells how far the play is. */
class Board {
  readonly #request: PlayRequest;
  readonly #total: number;
  readonly #groups = new Map<number, PlayedEpisode[]>();
  #done = 0;
  answerSeconds = 0;

  constructor(request: PlayRequest, total: number) {
    this.#request = request;
    this.#total = total;
    request.onProgress(0, total);
  }

  /** Takes note of a seat whose episode has ended. */
  async collect(seat: Seat): Promise<void> {
    if (seat.played === undefined) return;
    const { groupIndex } = seat.request;
    const group = [...(this.#groups.get(groupIndex) ?? []), seat.played];
    this.#groups.set(groupIndex, group);
    this.#done += 1;
    this.answerSeconds += seat.answerSeconds;
    this.#request.onProgress(this.#done, this.#total);
    if (group.length < this.#request.groupSize) return;
    await this.#request.onGroup([...group].sort((a, b) => a.sampleIndex - b.sampleIndex));
  }
}
