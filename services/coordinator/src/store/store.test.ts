import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RunState } from '@backsight/contract/coordinator';
import { FeedbackKind, FeedbackVisibility } from '@backsight/contract/environment';
import type { RolloutRecord } from './rollout-record.js';
import { openStore, type Store } from './store.js';

let folder = '';
let store: Store;
let changed: string[] = [];

const open = (): Promise<Store> =>
  openStore(join(folder, 'deep/er/store.sqlite'), (runId) => changed.push(runId));

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'store-'));
  changed = [];
  store = await open();
});

afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const newRun = (runId: string, idempotencyKey?: string) =>
  store.runs.create({
    runId,
    name: 'a run',
    recipe: 'steps: 2\n',
    policyAddress: 'a:1',
    totalSteps: 2,
    idempotencyKey,
  });

const rollout = (step: number, groupIndex: number, sampleIndex: number): RolloutRecord => ({
  rolloutId: `${step}.${groupIndex}.${sampleIndex}`,
  step,
  groupIndex,
  sampleIndex,
  taskId: `task-${groupIndex}`,
  tools: [{ name: 'look', description: 'Looks.', parameters: { type: 'object' } }],
  turns: [0, 1].map((turn) => ({
    messages: [{ role: 'user', content: `turn ${turn} “…” 🙂` }],
    promptIds: [1, 2 ** 32 - 1, turn],
    completionIds: [7, 8],
    logprobs: [-0.5, -1e-30].map(Math.fround),
    text: 'a\u0000b',
    truncated: turn === 1,
    policyVersion: 3,
  })),
  outcome: {
    reward: 0.25,
    solved: false,
    truncated: true,
    feedback: [{ kind: FeedbackKind.FORMAT, text: 'Wrong form.', visibility: FeedbackVisibility.TEACHER }],
    details: { tests: [1, 2], verdict: 'WRONG' },
  },
});

describe('RunStore', () => {
  it('keeps runs over a restart', async () => {
    await newRun('one');
    await store.runs.takeHold('one', 'a:1', 40);
    await store.close();
    store = await open();
    expect(await store.runs.get('one')).toMatchObject({
      state: RunState.PENDING,
      step: 0,
      totalSteps: 2,
      policyVersion: 40,
      recipe: 'steps: 2\n',
    });
    expect(await store.runs.holder('a:1')).toBe('one');
    expect(await store.runs.holder('b:2')).toBeUndefined();
  });

  it('makes one run per key, and any number without one', async () => {
    expect((await newRun('one', 'key')).created).toBe(true);
    expect(await newRun('two', 'key')).toMatchObject({ created: false, run: { runId: 'one' } });
    await newRun('three');
    await newRun('four');
    expect(await store.runs.list(10)).toHaveLength(3);
  });

  it('moves a run only from the states it is said to be in', async () => {
    await newRun('one');
    expect(await store.runs.changeState('one', [RunState.PAUSED], RunState.PENDING)).toBe(false);
    expect(await store.runs.changeState('one', [RunState.PENDING], RunState.FAILED, 'why')).toBe(true);
    expect(await store.runs.get('one')).toMatchObject({ state: RunState.FAILED, failure: 'why' });
    const { events } = (await store.events('one', 0))!;
    expect(events.map(({ sequence, kind }) => [sequence, kind?.value])).toEqual([
      [1, { state: RunState.PENDING, failure: '' }],
      [2, { state: RunState.FAILED, failure: 'why' }],
    ]);
    expect(changed).toEqual(['one']);
  });

  it('counts runs by state', async () => {
    await newRun('one');
    await newRun('two');
    await store.runs.changeState('two', [RunState.PENDING], RunState.RUNNING);
    expect(await store.runs.totals()).toEqual([
      { state: RunState.PENDING, runs: 1, steps: 0, rollouts: 0 },
      { state: RunState.RUNNING, runs: 1, steps: 0, rollouts: 0 },
    ]);
  });
});

describe('Journal', () => {
  it('gives back rollouts as they were', async () => {
    await newRun('one');
    const group = [rollout(1, 1, 0), rollout(1, 1, 1)];
    await store.journal.recordGroup('one', group);
    await store.journal.recordGroup('one', [rollout(1, 0, 0)]);
    await store.journal.recordGroup('one', [rollout(2, 0, 0)]);
    expect(await store.journal.rollouts('one', 1)).toEqual([rollout(1, 0, 0), ...group]);
  });

  it('keeps what it has when a group is recorded again', async () => {
    await newRun('one');
    await store.journal.recordGroup('one', [rollout(1, 0, 0)]);
    await store.journal.recordGroup('one', [{ ...rollout(1, 0, 0), taskId: 'another' }]);
    expect(await store.journal.rollouts('one', 1)).toEqual([rollout(1, 0, 0)]);
  });

  it('records what the teacher was told with the announcement of a step', async () => {
    await newRun('one');
    await store.journal.recordGroup('one', [rollout(1, 0, 0), rollout(1, 0, 1)]);
    const lesson = {
      rolloutId: '1.0.1',
      demonstrationRolloutId: '1.0.0',
      teacherFeedback: 'Wrong \u0000 byte.',
      teacherPromptIds: [[5, 6], []],
    };
    await store.journal.beginStep('one', { step: 1, startVersion: 3, expectedVersion: 5 }, [lesson]);
    expect(await store.journal.step('one', 1)).toMatchObject({
      startVersion: 3,
      expectedVersion: 5,
      finished: false,
    });
    expect((await store.rollouts.get('one', '1.0.1'))?.lesson).toEqual(lesson);
    expect((await store.rollouts.get('one', '1.0.0'))?.lesson.teacherPromptIds).toEqual([[], []]);
  });

  it('finishes steps in order, each once, all of it or nothing', async () => {
    await newRun('one');
    const finish = (step: number) =>
      store.journal.finishStep('one', {
        step,
        policyVersion: 2 * step,
        metrics: { loss: 0.5, broken: NaN, endless: Infinity },
        rollouts: 6,
        events: [{ $case: 'warning', value: { code: 'x', message: 'y' } }],
      });
    await store.journal.beginStep('one', { step: 1, startVersion: 0, expectedVersion: 2 }, []);
    await finish(1);
    await expect(finish(1)).rejects.toThrow('Step 1 of run one does not follow its last finished step.');
    await expect(finish(3)).rejects.toThrow('does not follow');
    expect(await store.runs.get('one')).toMatchObject({
      step: 1,
      policyVersion: 2,
      rollouts: 6,
      metrics: { loss: 0.5 },
    });
    const { events } = (await store.events('one', 1))!;
    expect(events.map(({ kind }) => kind?.$case)).toEqual(['stepFinished', 'warning']);
    expect(events[0]?.kind?.value).toEqual({
      step: 1,
      policyVersion: 2,
      rollouts: 6,
      metrics: { loss: 0.5 },
    });
    expect(await store.journal.history('one')).toEqual([{ loss: 0.5 }]);
  });

  it('knows a checkpoint by the step it holds now', async () => {
    await newRun('one');
    for (const step of [1, 2, 3]) {
      await store.journal.beginStep('one', { step, startVersion: step, expectedVersion: step + 1 }, []);
    }
    await store.journal.recordCheckpoint('one', 1, 'slot-0');
    await store.journal.recordCheckpoint('one', 2, 'slot-1');
    await store.journal.recordCheckpoint('one', 3, 'slot-0');
    expect((await store.journal.step('one', 1))?.checkpoint).toBeUndefined();
    expect(await store.journal.checkpointed('one')).toMatchObject([
      { step: 2, checkpoint: 'slot-1' },
      { step: 3, checkpoint: 'slot-0' },
    ]);
  });

  it('forgets a step with all its rollouts', async () => {
    await newRun('one');
    await store.journal.recordGroup('one', [rollout(1, 0, 0)]);
    await store.journal.recordGroup('one', [rollout(2, 0, 0)]);
    await store.journal.beginStep('one', { step: 2, startVersion: 0, expectedVersion: 1 }, []);
    await store.journal.discardStep('one', 2);
    expect(await store.journal.rollouts('one', 2)).toEqual([]);
    expect(await store.journal.step('one', 2)).toBeUndefined();
    expect(await store.journal.rollouts('one', 1)).toHaveLength(1);
  });
});

describe('events', () => {
  it('come in pages, and never twice', async () => {
    await newRun('one');
    const many = Array.from({ length: 600 }, (_, index) => ({
      $case: 'warning' as const,
      value: { code: String(index), message: '' },
    }));
    await store.journal.append('one', many);
    const sequences: number[] = [];
    for (;;) {
      const { events } = (await store.events('one', sequences.at(-1) ?? 0))!;
      if (events.length === 0) break;
      sequences.push(...events.map(({ sequence }) => sequence));
    }
    expect(sequences).toEqual(Array.from({ length: 601 }, (_, index) => index + 1));
    expect(await store.events('two', 0)).toBeUndefined();
  });
});

describe('EvaluationStore', () => {
  it('records an evaluation once', async () => {
    await newRun('one');
    const evaluated = {
      step: 0,
      split: 'held-out',
      passRate: 0.5,
      reward: 0.5,
      samples: 2,
      rollouts: 0,
      figures: {},
    };
    await store.evaluations.record('one', evaluated, []);
    expect(await store.evaluations.has('one', 0, 'held-out')).toBe(true);
    expect(await store.evaluations.has('one', 1, 'held-out')).toBe(false);
    await expect(store.evaluations.record('one', evaluated, [])).rejects.toThrow(/UNIQUE/);
    expect((await store.events('one', 1))?.events).toHaveLength(1);
  });
});

describe('openStore', () => {
  it('refuses a store that another coordinator runs on', async () => {
    await expect(open()).rejects.toThrow(/^The store .* cannot be opened: another coordinator runs on it$/);
  });

  it('refuses a file that is no store', async () => {
    const path = join(folder, 'notes.txt');
    writeFileSync(path, 'not a database, but long enough to be read as one'.repeat(50));
    await expect(openStore(path, () => undefined)).rejects.toThrow(
      /^The store .*notes\.txt cannot be opened: .+/,
    );
  });
});
