/** A toy world for tests: say the secret word of a task, with so many guesses as the world has turns. */
import type { Environment, Episode } from '@backsight/environment';
import { FeedbackKind } from '@backsight/environment';

export interface ToyOptions {
  /** Words of the training split; the task of a word is `say-<word>`. */
  readonly train: readonly string[];
  readonly heldOut?: readonly string[];
  /** Guesses in an episode. Default 1. */
  readonly maxTurns?: number;
  /** Default 1000. */
  readonly capacity?: number;
  /** Called before each answer; may throw or wait. */
  readonly beforeAnswer?: (episode: ToyMoment) => void | Promise<void>;
  /** What is said to a wrong guess. Default: that it is wrong. */
  readonly remark?: (text: string) => string | undefined;
}

/** Where an episode is when the world answers. */
export interface ToyMoment {
  readonly taskId: string;
  readonly seed: number;
  readonly text: string;
  readonly turn: number;
  readonly signal: AbortSignal;
}

/** Every episode begun, and how many are played at this moment and were at most. */
export interface ToyWorld extends Environment {
  readonly begun: { readonly taskId: string; readonly seed: number; readonly caller: string | undefined }[];
  readonly playing: { now: number; most: number };
}

export function toyEnvironment(options: ToyOptions): ToyWorld {
  const { train, heldOut = [], maxTurns = 1, capacity = 1000 } = options;
  const splits = new Map([
    ['train', train],
    ['held-out', heldOut],
  ]);
  const words = new Map([...train, ...heldOut].map((word) => [`say-${word}`, word]));
  const begun: ToyWorld['begun'] = [];
  const playing = { now: 0, most: 0 };
  return {
    name: 'toy',
    maxTurns,
    capacity,
    begun,
    playing,
    splits: () => [...splits].map(([name, of]) => ({ name, taskCount: of.length })),
    tasks: (split) => splits.get(split)?.map((word) => ({ taskId: `say-${word}`, title: word })),
    play(taskId, { seed, signal, caller }) {
      const word = words.get(taskId);
      if (word === undefined) return undefined;
      begun.push({ taskId, seed, caller });
      return episode(word, { taskId, seed, signal }, maxTurns, playing, options);
    },
  };
}

async function* episode(
  word: string,
  task: Pick<ToyMoment, 'taskId' | 'seed' | 'signal'>,
  maxTurns: number,
  playing: ToyWorld['playing'],
  { beforeAnswer, remark }: ToyOptions,
): Episode {
  playing.now += 1;
  playing.most = Math.max(playing.most, playing.now);
  try {
    let told = `Say ${word}.`;
    for (let turn = 1; ; turn += 1) {
      const { text } = yield { messages: [{ role: 'user', content: told }] };
      await beforeAnswer?.({ ...task, text, turn });
      if (text === word) return { reward: 1, details: { right: true } };
      told = remark?.(text) ?? `You said ${text}, not ${word}.`;
      if (turn === maxTurns) {
        return {
          reward: 0,
          feedback: [{ kind: FeedbackKind.ENVIRONMENT, text: told }],
          details: { said: text, right: false },
        };
      }
    }
  } finally {
    playing.now -= 1;
  }
}

/** What a policy says that learns the toy world: sample 0 is right from version 0 on, sample 1 from version 2 on, and so forth. */
export function learner(
  prompt: string,
  { sampleIndex, version }: { readonly sampleIndex: number; readonly version: number },
): string {
  const word = /Say (\w+)\./.exec(prompt)?.[1] ?? '';
  return version >= 2 * sampleIndex ? word : `not-${word}-${sampleIndex}`;
}
