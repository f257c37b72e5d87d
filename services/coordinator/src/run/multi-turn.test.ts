import { afterEach, describe, expect, it } from '@jest/globals';
import { away, type Script, scriptedPolicy } from '@backsight/testing';
import { learner, toyEnvironment, type ToyOptions } from '../toy-environment.js';
import { closeToyHouses, openToyHouse } from '../toy-house.js';
import { follow, ofKind } from '../toy-watching.js';

afterEach(closeToyHouses);

const openHouse = (script: Partial<Script> = {}, toy: Partial<ToyOptions> = {}) =>
  openToyHouse(
    scriptedPolicy({ answer: learner, ...script }),
    toyEnvironment({ train: ['ant', 'bee', 'cat', 'dog'], heldOut: ['owl', 'pig'], ...toy }),
  );

describe('multi-turn episodes', () => {
  /** Guesses wrongly until the last turn that its sample needs. */
  const guesser: Script['answer'] = (prompt, { sampleIndex }) => {
    const word = /Say (\w+)\./.exec(prompt)?.[1] ?? '';
    const guesses = prompt.split('You said').length;
    // In later turns each episode has its own prompt, so its sample index tells nothing: the first guess does.
    const sample = /You said wrong(\d)/.exec(prompt)?.[1] ?? String(sampleIndex);
    return guesses > Number(sample) ? word : `wrong${sample}-${guesses}`;
  };

  it('make one example per turn, over a conversation that only grows', async () => {
    const house = await openHouse({ answer: guesser }, { maxTurns: 3, train: ['ant'] });
    const events = await follow(
      house,
      (await house.create({ steps: 1, tasksPerStep: 1, groupSize: 4 })).runId,
    );
    expect(ofKind(events, 'stepFinished')[0]!.metrics['critic/rewards/mean']).toBeCloseTo(3 / 4);
    const { examples } = house.policy.taken[0]!;
    const { tokenizer } = house.policy;
    expect(examples.map(({ rolloutId }) => rolloutId)).toEqual([
      '1.0.0',
      '1.0.1',
      '1.0.2',
      '1.0.3',
      '1.0.1#1',
      '1.0.2#1',
      '1.0.3#1',
      '1.0.2#2',
      '1.0.3#2',
    ]);
    const byId = new Map(examples.map((example) => [example.rolloutId, example]));
    const first = byId.get('1.0.2')!;
    const second = byId.get('1.0.2#1')!;
    const grown = [...first.studentPromptIds, ...first.completionIds];
    expect(second.studentPromptIds.slice(0, grown.length)).toEqual(grown);
    const observation = 'You said wrong2-1, not ant.';
    expect(tokenizer.decode(second.studentPromptIds.slice(grown.length))).toBe(
      `\n<|start|>user\n${observation}<|end|>\n<|start|>assistant\n`,
    );
    // The teacher reads the same conversation, its last message retold.
    expect(second.teacherPromptIds.slice(0, grown.length)).toEqual(grown);
    expect(tokenizer.decode(second.teacherPromptIds.slice(grown.length))).toMatch(
      /^\n<\|start\|>user\nYou said wrong2-1, not ant\.\nHere is a solution that was verified as correct:\n\n/,
    );
    // The outcome is the episode's: every turn has the advantage of its episode.
    expect(
      new Set(
        examples.filter(({ rolloutId }) => rolloutId.startsWith('1.0.3')).map(({ advantage }) => advantage),
      ),
    ).toEqual(new Set([expect.closeTo(-3 / 4)]));
  });

  it('go on where they were after the environment went away', async () => {
    const away3 = new Set<string>();
    const house = await openHouse(
      { answer: guesser },
      {
        maxTurns: 3,
        train: ['ant'],
        beforeAnswer: ({ seed, turn }) => {
          if (turn !== 2 || away3.has(String(seed))) return;
          away3.add(String(seed));
          throw away();
        },
      },
    );
    const events = await follow(
      house,
      (await house.create({ steps: 1, tasksPerStep: 1, groupSize: 4 })).runId,
    );
    expect(away3.size).toBe(3);
    expect(ofKind(events, 'stepFinished')[0]!.metrics['critic/rewards/mean']).toBeCloseTo(3 / 4);
    // What was sampled before is played again, not sampled again: one call per turn.
    expect(house.policy.generated.map(({ prompts, groupSize }) => prompts.length * groupSize)).toEqual([
      4, 3, 2,
    ]);
  });

  it('take back the turns that a world without memory answers otherwise', async () => {
    let failed = false;
    const house = await openHouse(
      { answer: guesser },
      {
        maxTurns: 3,
        train: ['ant'],
        beforeAnswer: ({ turn }) => {
          if (turn !== 3 || failed) return;
          failed = true;
          throw away();
        },
        // After it went away the world calls every wrong guess by another name.
        remark: (text) => (failed ? `No: ${text} is not it.` : undefined),
      },
    );
    const { runId } = await house.create({ steps: 1, tasksPerStep: 1, groupSize: 4 });
    await follow(house, runId);
    const { examples } = house.policy.taken[0]!;
    const told = examples
      .filter(({ rolloutId }) => rolloutId.endsWith('#1'))
      .map(({ studentPromptIds }) => house.policy.tokenizer.decode(studentPromptIds));
    expect(told.filter((prompt) => prompt.includes('No: wrong'))).toHaveLength(1);
    // Every completion stands after the conversation that it answered, each turn once.
    const ids = examples.map(({ rolloutId }) => rolloutId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { rolloutId, studentPromptIds } of examples) {
      const before = examples.find(
        (each) => `${each.rolloutId.split('#')[0]!}#${turnOf(each.rolloutId) + 1}` === rolloutId,
      );
      if (before === undefined) continue;
      const grown = [...before.studentPromptIds, ...before.completionIds];
      expect(studentPromptIds.slice(0, grown.length)).toEqual(grown);
    }
    const turns = new Map<string, number>();
    for (const id of ids) turns.set(id.split('#')[0]!, (turns.get(id.split('#')[0]!) ?? 0) + 1);
    expect(Math.max(...turns.values())).toBe(3);
  });
});

const turnOf = (id: string) => Number(id.split('#')[1] ?? 0);
