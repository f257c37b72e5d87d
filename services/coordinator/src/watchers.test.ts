import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { RunState } from '@backsight/contract/coordinator';
import { type Script, scriptedPolicy } from '@backsight/testing';
import { learner, toyEnvironment, type ToyOptions } from './toy-environment.js';
import { closeToyHouses, openToyHouse } from './toy-house.js';
import { eventually, failureOf, follow, ofKind } from './toy-watching.js';
import { Watchers } from './watchers.js';

afterEach(closeToyHouses);

const openHouse = (script: Partial<Script> = {}, toy: Partial<ToyOptions> = {}) =>
  openToyHouse(
    scriptedPolicy({ answer: learner, ...script }),
    toyEnvironment({ train: ['ant', 'bee', 'cat', 'dog'], heldOut: ['owl', 'pig'], ...toy }),
  );

describe('WatchRun', () => {
  it('replays from any event, then follows, without gap or repetition', async () => {
    const house = await openHouse();
    const { runId } = await house.create({ evaluation: { split: 'held-out' } });
    const [all, ...later] = await Promise.all([0, 1, 3].map((after) => follow(house, runId, after)));
    const stored = all!.filter(({ sequence }) => sequence > 0);
    expect(stored.map(({ sequence }) => sequence)).toEqual(stored.map((_, index) => index + 1));
    expect(stored.at(-1)?.kind).toMatchObject({ value: { state: RunState.SUCCEEDED } });
    for (const [index, events] of later.entries()) {
      expect(events.filter(({ sequence }) => sequence > 0)).toEqual(stored.slice([1, 3][index]));
    }
    const replay = await follow(house, runId);
    expect(replay).toEqual(stored);
  });

  it('tells progress without storing it', async () => {
    const house = await openHouse({}, { beforeAnswer: () => delay(20) });
    const { runId } = await house.create();
    const progress = ofKind(await follow(house, runId), 'phaseProgress');
    expect(new Set(progress.map(({ phase }) => phase))).toEqual(new Set(['rollout', 'train']));
    expect(progress.every(({ done, total }) => done <= total)).toBe(true);
  });

  it('sends those who watch away when the coordinator shuts down', async () => {
    const house = await openHouse();
    house.policy.faults.add('trainStep', { kind: 'delay', ms: 60_000 });
    const { runId } = await house.create();
    const watching = failureOf(follow(house, runId));
    await eventually(() => house.policy.calls('trainStep') === 1, 'the first TrainStep');
    const closing = house.shutDown();
    expect(['UNAVAILABLE', 'CANCELLED']).toContain((await watching).code);
    await closing;
    await house.restart();
  });

  it('knows no run that is not there', async () => {
    const house = await openHouse();
    expect(await failureOf(follow(house, 'nobody'))).toMatchObject({
      code: 'NOT_FOUND',
      resource: { kind: 'run', name: 'nobody' },
    });
  });
});

describe('Watchers', () => {
  const eventsOf = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => ({
      sequence: from + index + 1,
      atMs: 0,
      kind: undefined,
    }));

  it('tells every event of a run that has long ended, page by page', async () => {
    const watchers = new Watchers();
    const read = (_: string, after: number) =>
      Promise.resolve({ events: eventsOf(after, Math.min(after + 3, 8)), state: RunState.SUCCEEDED });
    const sequences: number[] = [];
    for await (const { sequence } of watchers.watch('one', 0, read, new AbortController().signal)) {
      sequences.push(sequence);
    }
    expect(sequences).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('misses nothing that is stored while it reads', async () => {
    const watchers = new Watchers();
    let stored = 1;
    let ended = false;
    const read = async (id: string, after: number) => {
      const page = { events: eventsOf(after, stored), state: ended ? RunState.SUCCEEDED : RunState.RUNNING };
      // What is stored between the reading and the waiting rings while nobody waits yet.
      if (stored < 5) {
        stored += 1;
        ended = stored === 5;
        watchers.ring(id);
      }
      await Promise.resolve();
      return page;
    };
    const sequences: number[] = [];
    for await (const { sequence } of watchers.watch('one', 0, read, new AbortController().signal)) {
      sequences.push(sequence);
    }
    expect(sequences).toEqual([1, 2, 3, 4, 5]);
  });

  it('ends when the one who watches leaves', async () => {
    const watchers = new Watchers();
    const controller = new AbortController();
    const read = () => Promise.resolve({ events: [], state: RunState.RUNNING });
    const watching = watchers.watch('one', 0, read, controller.signal).next();
    setImmediate(() => {
      controller.abort();
    });
    expect(await watching).toEqual({ done: true, value: undefined });
  });
});
