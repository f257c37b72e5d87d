/** Play: an episode from a task to its outcome, the same again from the same seed. */
import { FeedbackKind, Observation, type Outcome, type PlayRequest } from '@backsight/contract/environment';
import { describeError } from '@backsight/rpc';
import { type Check, expectThat, Nonconformity } from '../suite/check.js';
import { expectFailure } from '../suite/expect-failure.js';
import { type EnvironmentSubject, someTasks, withEpisode } from './subject.js';

export const playChecks: readonly Check<EnvironmentSubject>[] = [
  {
    name: 'play.episode',
    promise: 'poses a task in messages and ends with an outcome within max_turns, whatever it is answered',
    run: async (subject) => {
      for (const taskId of await someTasks(subject))
        for (const text of ['', 'I do not know.', '\u{1F600} '.repeat(2000)])
          wellFormed(await play(subject, taskId, text));
    },
  },
  {
    name: 'play.seed',
    promise: 'poses the same task the same way from the same seed, and judges the same answers alike',
    run: repeats,
  },
  {
    name: 'play.truncated',
    promise: 'takes an action that was cut short',
    run: async (subject) => {
      for (const taskId of await someTasks(subject)) wellFormed(await play(subject, taskId, 'I would', true));
    },
  },
  {
    name: 'play.refusals',
    promise: 'refuses a task that is not there and an action before the task is opened',
    run: refusals,
  },
  {
    name: 'play.abandoned',
    promise: 'frees the world of a caller who leaves',
    run: abandoned,
  },
];

/** What an episode showed. */
interface Played {
  readonly taskId: string;
  readonly observations: readonly Observation[];
  readonly outcome: Outcome;
}

const SEED = 5;

/** Answers every observation with the same text. */
function play(subject: EnvironmentSubject, taskId: string, text: string, truncated = false): Promise<Played> {
  const { maxTurns } = subject.card;
  return withEpisode(subject, { taskId, seed: SEED }, async (episode) => {
    const observations: Observation[] = [];
    let step = await episode.next();
    while (step.done !== true) {
      observations.push(step.value);
      expectThat(
        observations.length <= maxTurns,
        `task ${taskId} goes on after ${maxTurns} actions, its max_turns`,
      );
      step = await episode.next({ text, truncated });
    }
    return { taskId, observations, outcome: step.value };
  });
}

const roles = ['system', 'user', 'assistant', 'tool'];

function wellFormed({ taskId, observations, outcome }: Played): void {
  const [first] = observations;
  expectThat(first !== undefined, `task ${taskId} ends before it is posed`);
  expectThat(
    first.messages.some(({ role, content }) => role === 'user' && content.trim() !== ''),
    `task ${taskId} is posed without a word from the user`,
  );
  for (const { role } of observations.flatMap(({ messages }) => messages))
    expectThat(roles.includes(role), `a message of task ${taskId} has the role "${role}"`);
  for (const { name } of observations.flatMap(({ tools }) => tools))
    expectThat(name !== '', `task ${taskId} offers a tool without a name`);
  const { reward, feedback } = outcome;
  expectThat(reward >= 0 && reward <= 1, `task ${taskId} ends with a reward of ${reward}, outside [0, 1]`);
  for (const { kind, text } of feedback)
    expectThat(
      kind !== FeedbackKind.UNSPECIFIED && text.trim() !== '',
      `task ${taskId} ends with feedback "${text}" of kind ${kind}; it needs words and a kind`,
    );
}

async function repeats(subject: EnvironmentSubject): Promise<void> {
  for (const taskId of await someTasks(subject)) {
    const attempt = () => play(subject, taskId, 'I do not know.');
    const [first, again] = [await attempt(), await attempt()];
    const told = (played: Played) =>
      JSON.stringify(played.observations.map((each) => Observation.toJSON(each)));
    expectThat(
      told(first) === told(again),
      `task ${taskId} with seed ${SEED} is told differently the second time`,
    );
    const judged = ({ outcome }: Played) =>
      `reward ${outcome.reward}, ${outcome.solved ? 'solved' : 'not solved'}`;
    expectThat(
      judged(first) === judged(again),
      `the same answers to task ${taskId} earn ${judged(first)} and then ${judged(again)}`,
    );
  }
}

async function refusals(subject: EnvironmentSubject): Promise<void> {
  const { client, signal } = subject;
  await expectFailure('a task that is not there', 'NOT_FOUND', () =>
    withEpisode(subject, { taskId: 'conformance-none', seed: SEED }, (episode) => episode.next()),
  );
  async function* actionFirst(): AsyncGenerator<PlayRequest, void, void> {
    yield await Promise.resolve({
      payload: { $case: 'action' as const, value: { text: '', truncated: false } },
    });
  }
  await expectFailure('an action before a task is opened', 'INVALID_ARGUMENT', async () => {
    for await (const _ of client.play(actionFirst(), { signal }));
  });
}

/** Episodes begun and left, more than are played side by side. */
const MOST_LEFT = 64;

async function abandoned(subject: EnvironmentSubject): Promise<void> {
  const [taskId = ''] = await someTasks(subject);
  const left = Math.min(MOST_LEFT, 2 * subject.card.capacity);
  for (let episode = 0; episode < left; episode += 1) {
    await withEpisode(subject, { taskId, seed: episode }, (each) => each.next()).catch((error: unknown) => {
      subject.signal.throwIfAborted();
      throw new Nonconformity(
        `after ${episode} episodes that were left, the next is refused: ${describeError(error)}`,
      );
    });
  }
}
