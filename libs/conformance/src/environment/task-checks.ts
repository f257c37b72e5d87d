/** Describe and ListTasks: what kind of world it is, and every task of it, in order. */
import type { Task } from '@backsight/contract/environment';
import { type Check, expectThat } from '../suite/check.js';
import { expectFailure } from '../suite/expect-failure.js';
import type { EnvironmentSubject } from './subject.js';

export const taskChecks: readonly Check<EnvironmentSubject>[] = [
  {
    name: 'describe',
    promise: 'says what it is: a name, splits, turns and capacity',
    run: ({ card }) => {
      described(card);
      return Promise.resolve();
    },
  },
  {
    name: 'tasks.pages',
    promise: 'pages through each split: as many tasks as it says, each once, in the same order every time',
    run: pages,
  },
  {
    name: 'tasks.refusals',
    promise: 'refuses a split that is not there and a page token that it never gave',
    run: refusals,
  },
];

function described({ name, splits, maxTurns, capacity }: EnvironmentSubject['card']): void {
  expectThat(name !== '', 'name must be set, is empty');
  expectThat(splits.length > 0, 'there is no split');
  expectThat(
    splits.every((split) => split.name !== '') &&
      new Set(splits.map((split) => split.name)).size === splits.length,
    `the splits are named ${splits.map((split) => `"${split.name}"`).join(', ')}; each needs a name of its own`,
  );
  expectThat(maxTurns >= 1, `max_turns must be at least 1, is ${maxTurns}`);
  expectThat(capacity >= 1, `capacity must be at least 1, is ${capacity}`);
}

/** Pages of this many tasks are asked for, and no more of them than this. */
const [PAGE, MOST_PAGES] = [7, 200];

async function pages(subject: EnvironmentSubject): Promise<void> {
  const everywhere = new Set<string>();
  for (const { name, taskCount } of subject.card.splits) {
    const [tasks, again] = [await allTasks(subject, name), await allTasks(subject, name)];
    const most = PAGE * MOST_PAGES;
    const wanted = Math.min(taskCount, most);
    expectThat(
      tasks.length === wanted,
      `split ${name} lists ${tasks.length} tasks, Describe says ${taskCount}`,
    );
    const ids = tasks.map(({ taskId }) => taskId);
    expectThat(!ids.includes(''), `split ${name} lists a task without an id`);
    const twice = ids.find((id) => everywhere.has(id) || ids.indexOf(id) !== ids.lastIndexOf(id));
    expectThat(twice === undefined, `task ${twice ?? ''} is listed twice; ids are unique in the environment`);
    for (const id of ids) everywhere.add(id);
    expectThat(
      ids.join('\n') === again.map(({ taskId }) => taskId).join('\n'),
      `split ${name} lists its tasks in another order the second time`,
    );
  }
}

async function allTasks({ client, signal }: EnvironmentSubject, split: string): Promise<readonly Task[]> {
  const tasks: Task[] = [];
  let pageToken = '';
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const answer = await client.listTasks({ split, pageSize: PAGE, pageToken }, { signal });
    expectThat(answer.tasks.length <= PAGE, `a page of at most ${PAGE} tasks has ${answer.tasks.length}`);
    tasks.push(...answer.tasks);
    if (answer.nextPageToken === '') return tasks;
    pageToken = answer.nextPageToken;
  }
  return tasks;
}

async function refusals({ client, card, signal }: EnvironmentSubject): Promise<void> {
  await expectFailure('a split that is not there', 'NOT_FOUND', () =>
    client.listTasks({ split: 'conformance-none' }, { signal }),
  );
  await expectFailure('a page token that was never given', 'INVALID_ARGUMENT', () =>
    client.listTasks({ split: card.splits[0]?.name ?? '', pageToken: '\u0000never given' }, { signal }),
  );
}
