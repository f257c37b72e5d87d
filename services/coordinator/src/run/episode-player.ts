/** An episode that outlives its stream. */
import { type Action, Observation, type Outcome } from '@backsight/contract/environment';
import { openEpisode, type EpisodeRequest, type RemoteEpisode } from '@backsight/environment';
import { type CallOptions, Metadata, type RoomCallOptions } from '@backsight/rpc';
import { type Patience, Waits } from '../rooms/patience.js';
import { deadlines, type EnvironmentRoom } from '../rooms/rooms.js';

/** What the world answers. `turn` counts the actions that led here; those after it were taken back. */
export type Move =
  | { readonly kind: 'observation'; readonly turn: number; readonly observation: Observation }
  | { readonly kind: 'outcome'; readonly turn: number; readonly outcome: Outcome };

/**
 * One episode, which outlives its stream: when the environment goes away, the episode is played again from the start with
 * the actions already taken. If the world then answers otherwise, the episode goes on from where it did.
 */
export class EpisodePlayer {
  readonly #room: EnvironmentRoom;
  readonly #request: EpisodeRequest;
  readonly #options: CallOptions & RoomCallOptions;
  readonly #waits: Waits;
  readonly #observations: Observation[] = [];
  readonly #actions: Action[] = [];
  #stream: RemoteEpisode | undefined;
  #surprises = 0;

  /** `caller` is whom the environment is to be fair to, where several share this coordinator's connection. */
  constructor(
    room: EnvironmentRoom,
    request: EpisodeRequest,
    { patience, caller }: { readonly patience: Patience; readonly caller?: string },
  ) {
    this.#room = room;
    this.#request = request;
    this.#options = {
      signal: patience.signal,
      deadlineMs: deadlines.play,
      ...(caller === undefined ? {} : { metadata: Metadata({ [callerKey]: caller }) }),
    };
    this.#waits = new Waits(`the environment at ${room.address}`, patience);
  }

  /** Opens the task. */
  open(): Promise<Move> {
    return this.#advance();
  }

  /** Answers the last observation. */
  act(action: Action): Promise<Move> {
    this.#actions.push(action);
    return this.#advance();
  }

  /** Ends the world, whatever state the episode is in. */
  close(): void {
    this.#stream?.close();
    this.#stream = undefined;
  }

  async #advance(): Promise<Move> {
    for (;;) {
      try {
        const move = await this.#move();
        this.#waits.reset();
        return move;
      } catch (error) {
        this.close();
        await this.#waits.after(error);
      }
    }
  }

  async #move(): Promise<Move> {
    const action = this.#actions.at(-1);
    if (this.#stream !== undefined && action !== undefined)
      return this.#note(await this.#stream.next(action));
    return this.#replay();
  }

  /** Opens a stream and repeats every action so far. */
  async #replay(): Promise<Move> {
    const stream = openEpisode(this.#room.client, this.#request, this.#options);
    this.#stream = stream;
    let step = await stream.next();
    for (const [turn, known] of this.#observations.entries()) {
      const action = this.#actions[turn];
      if (step.done === true || action === undefined || !same(step.value, known)) {
        this.#takeBack(turn);
        return this.#note(step);
      }
      step = await stream.next(action);
    }
    return this.#note(step);
  }

  #takeBack(turn: number): void {
    this.#observations.length = turn;
    this.#actions.length = turn;
    this.#surprises += 1;
    if (this.#surprises > MOST_SURPRISES) {
      const { taskId, seed } = this.#request;
      throw new Error(
        `The environment at ${this.#room.address} answers task ${taskId} with seed ${seed} differently each time it is played.`,
      );
    }
  }

  #note(step: IteratorResult<Observation, Outcome>): Move {
    const turn = this.#actions.length;
    if (step.done === true) return { kind: 'outcome', turn, outcome: step.value };
    this.#observations[turn] = step.value;
    return { kind: 'observation', turn, observation: step.value };
  }
}

const MOST_SURPRISES = 3;
/** As libs/rpc reads it. */
const callerKey = 'x-caller';

const same = (a: Observation, b: Observation): boolean =>
  JSON.stringify(Observation.toJSON(a)) === JSON.stringify(Observation.toJSON(b));
