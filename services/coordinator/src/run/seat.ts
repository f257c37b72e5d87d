/** A seat at the table: one episode as the policy plays it. */
import type { Tool } from '@backsight/contract/environment';
import { type Completion, FinishReason } from '@backsight/contract/policy';
import type { PlayedEpisode, Turn } from '../store/rollout-record.js';
import { PreconditionError } from '../run-errors.js';
import { EpisodePlayer, type Move } from './episode-player.js';
import type { Players } from './players.js';

/** Which episode a seat plays. */
export interface SeatRequest {
  readonly groupIndex: number;
  readonly sampleIndex: number;
  readonly taskId: string;
  /** Everything random in the world follows from this. */
  readonly seed: number;
  /** The prompt to begin with in place of the task's own. Shape [P]. */
  readonly openingIds?: readonly number[];
}

/** What the policy is asked next. */
interface Question {
  readonly messages: Turn['messages'];
  /** Shape [P]. */
  readonly promptIds: readonly number[];
}

/** A seat at the table: one episode, the conversation so far, and what the policy is asked next. */
export class Seat {
  readonly #players: Players;
  readonly #episode: EpisodePlayer;
  readonly #turns: Turn[] = [];
  #tools: readonly Tool[] = [];
  #question: Question | undefined;
  #played: PlayedEpisode | undefined;
  #answerSeconds = 0;

  constructor(
    readonly request: SeatRequest,
    players: Players,
  ) {
    this.#players = players;
    this.#episode = new EpisodePlayer(players.environment, request, players);
  }

  /** The prompt to complete next; undefined once the episode has ended. */
  get promptIds(): readonly number[] | undefined {
    return this.#question?.promptIds;
  }

  /** The episode with its outcome, once it has ended. */
  get played(): PlayedEpisode | undefined {
    return this.#played;
  }

  /** How long the environment took to answer actions, in seconds. */
  get answerSeconds(): number {
    return this.#answerSeconds;
  }

  async open(): Promise<void> {
    await this.#follow(await this.#episode.open());
  }

  /** Plays a completion as the policy's action. */
  async answer(completion: Completion): Promise<void> {
    const question = this.#question;
    if (question === undefined) throw new Error('A seat that was asked nothing got a completion.');
    const turn: Turn = {
      ...question,
      completionIds: completion.tokenIds,
      logprobs: completion.logprobs,
      text: this.#players.renderer.decode(completion.tokenIds),
      truncated: completion.finishReason === FinishReason.LENGTH,
      policyVersion: completion.policyVersion,
    };
    await this.#follow(await this.#act(turn));
  }

  close(): void {
    this.#episode.close();
  }

  async #act(turn: Turn): Promise<Move> {
    this.#question = undefined;
    this.#turns.push(turn);
    const startedAt = performance.now();
    const move = await this.#episode.act({ text: turn.text, truncated: turn.truncated });
    this.#answerSeconds += (performance.now() - startedAt) / 1000;
    return move;
  }

  /** Follows the world until it asks something that the policy has room to answer, or ends. */
  async #follow(first: Move): Promise<void> {
    for (let move = first; ;) {
      // The world took back what it answered before it went away.
      this.#turns.length = move.turn;
      if (move.kind === 'outcome') {
        const { groupIndex, sampleIndex, taskId } = this.request;
        this.#played = {
          groupIndex,
          sampleIndex,
          taskId,
          tools: this.#tools,
          turns: [...this.#turns],
          outcome: move.outcome,
        };
        return;
      }
      const { messages, tools } = move.observation;
      if (this.#turns.length === 0) this.#tools = tools;
      const promptIds = this.#render(messages);
      if (promptIds.length < this.#players.policyCard.contextWindow) {
        this.#question = { messages, promptIds };
        return;
      }
      if (this.#turns.length === 0) throw this.#tooLong(promptIds.length);
      move = await this.#act({ messages, promptIds, ...SILENCE });
    }
  }

  /** Nobody could answer this task: its reward would say nothing of the policy. */
  #tooLong(tokens: number): Error {
    const { model, contextWindow } = this.#players.policyCard;
    return new PreconditionError(
      `task ${this.request.taskId}`,
      `its prompt has ${tokens} tokens, the context window of ${model} holds ${contextWindow}; take it out of the split, or train a policy with a longer context`,
    );
  }

  #render(messages: Turn['messages']): readonly number[] {
    const { renderer } = this.#players;
    const last = this.#turns.at(-1);
    return last === undefined
      ? (this.request.openingIds ?? renderer.encodePrompt(messages, { tools: this.#tools }))
      : renderer.extendPrompt(last.promptIds, last.completionIds, messages);
  }
}

/** A policy whose conversation fills the context has no room for a single token: it says nothing, cut short. */
const SILENCE = { completionIds: [], logprobs: [], text: '', truncated: true, policyVersion: 0 } as const;
