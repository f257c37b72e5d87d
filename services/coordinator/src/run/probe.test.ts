import { afterEach, describe, expect, it } from '@jest/globals';
import type { ProbeResponse } from '@backsight/contract/coordinator';
import { type Script, scriptedPolicy } from '@backsight/testing';
import { toyEnvironment, type ToyOptions } from '../toy-environment.js';
import { closeToyHouses, openToyHouse } from '../toy-house.js';
import { failureOf } from '../toy-watching.js';

afterEach(closeToyHouses);

/** Sample 0 knows the word; whoever is told that it was wrong, or shown an answer, knows it half of the time. */
const hinted: Script['answer'] = (prompt, { promptIndex, sampleIndex }) => {
  const word = /Say (\w+)\./.exec(prompt)?.[1] ?? '';
  if (prompt.includes('You said') || prompt.includes('correct'))
    return promptIndex % 2 === 0 ? word : 'still wrong';
  return sampleIndex === 0 ? word : 'wrong';
};

const openHouse = (answer: Script['answer'] = hinted, toy: Partial<ToyOptions> = {}) =>
  openToyHouse(scriptedPolicy({ answer }), toyEnvironment({ train: ['ant', 'bee', 'cat', 'dog'], ...toy }));

type House = Awaited<ReturnType<typeof openHouse>>;

async function probe(house: House, maxTasks: number, changes: Readonly<Record<string, unknown>> = {}) {
  const answers: ProbeResponse[] = [];
  const recipeYaml = house.recipe({
    hindsight: { feedback: 'always', demonstrationSource: 'none' },
    ...changes,
  });
  for await (const answer of house.client.probe({ recipeYaml, maxTasks })) answers.push(answer);
  return { result: answers.at(-1)?.result, answers };
}

describe('Probe', () => {
  it('compares plain attempts with attempts that begin with hindsight', async () => {
    const house = await openHouse();
    const { result, answers } = await probe(house, 0);
    // Of 3 samples one is right, and the 2 others of each task are told so; of 2 prompts at a time one is answered rightly.
    expect(result).toEqual({ studentPassRate: 1 / 3, teacherPassRate: 1 / 2, hindsightFraction: 2 / 3 });
    expect(answers.at(-1)).toMatchObject({ done: 4, total: 4 });
    expect(house.policy.taken).toEqual([]);
    const retold = house.policy.generated.flatMap(({ prompts, groupSize }) =>
      groupSize === 1 ? prompts : [],
    );
    expect(retold).toHaveLength(8);
    for (const { tokenIds } of retold)
      expect(house.policy.tokenizer.decode(tokenIds)).toMatch(/You said wrong/);
  });

  it('makes an attempt and its retelling in the same world', async () => {
    const house = await openHouse();
    await probe(house, 1);
    const [first, second, third, ...again] = house.world.begun;
    expect(first?.seed).not.toBe(second?.seed);
    expect(again).toEqual([second, third]);
  });

  it('shows demonstrations to those who have a sibling that succeeded', async () => {
    const house = await openHouse();
    const { result } = await probe(house, 2, {
      hindsight: { demonstrationSource: 'peers', feedback: 'never' },
    });
    // The only success of a group has nobody to learn from.
    expect(result?.hindsightFraction).toBe(2 / 3);
  });

  it('takes the first tasks of the curriculum, all of them when there are not so many', async () => {
    const house = await openHouse();
    const tasksOf = async (maxTasks: number) => {
      house.world.begun.length = 0;
      await probe(house, maxTasks, { taskOrder: 'listed' });
      return [...new Set(house.world.begun.map(({ taskId }) => taskId))];
    };
    expect(await tasksOf(3)).toEqual(['say-ant', 'say-bee', 'say-cat']);
    expect(await tasksOf(99)).toHaveLength(4);
  });

  it('plays conversations on from the retold task', async () => {
    const answer: Script['answer'] = (prompt) => (prompt.includes('Feedback') ? 'guided' : 'wrong');
    const house = await openHouse(answer, { maxTurns: 2 });
    const { result } = await probe(house, 1);
    expect(result).toEqual({ studentPassRate: 0, teacherPassRate: 0, hindsightFraction: 1 });
    const last = house.policy.generated.at(-1)!.prompts[0]!.tokenIds;
    expect(house.policy.tokenizer.decode(last)).toMatch(/Feedback[^]*guided[^]*You said guided/);
  });

  it.each<[string, Readonly<Record<string, unknown>>, object]>([
    [
      'a recipe without hindsight',
      { objective: { policyGradient: { clipLow: 0.2, clipHigh: 0.28 } }, hindsight: null },
      { code: 'INVALID_ARGUMENT', violations: [{ field: 'recipe_yaml.hindsight' }] },
    ],
    ['a wrong recipe', { steps: 0 }, { violations: [{ field: 'recipe_yaml.steps' }] }],
    ['a split that is not there', {}, { code: 'FAILED_PRECONDITION' }],
  ])('refuses %s', async (what, changes, failure) => {
    const house = await openHouse();
    const environment = { address: house.addresses.environment, split: 'nowhere' };
    const wrong = what.includes('split') ? { environment } : changes;
    expect(await failureOf(probe(house, 0, wrong))).toMatchObject(failure);
  });

  it('stops playing when its caller leaves', async () => {
    const house = await openHouse(hinted, {
      beforeAnswer: ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(new Error('left'));
          });
        }),
    });
    const controller = new AbortController();
    const call = (async () => {
      const request = { recipeYaml: house.recipe(), maxTasks: 0 };
      for await (const _ of house.client.probe(request, { signal: controller.signal })) {
        if (house.world.playing.now > 0) controller.abort();
        else
          setTimeout(() => {
            controller.abort();
          }, 200);
      }
    })();
    expect(await failureOf(call)).toMatchObject({ code: 'CANCELLED' });
    for (let waited = 0; house.world.playing.now > 0 && waited < 100; waited += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    expect(house.world.playing.now).toBe(0);
  });
});
