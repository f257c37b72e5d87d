import { afterEach, describe, expect, it } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ProbeResult, type RunEvent, RunState } from '@backsight/contract/coordinator';
import { openRealHouse, type RealHouse, type RealRoom } from '@backsight/testing';
import { eventually, follow, ofKind } from './toy-watching.js';

const STEPS = 6;
const MINI_BATCHES = 4;
const ROLLOUTS = 6 * 8;

let house: RealHouse | undefined;

afterEach(async () => {
  await house?.close();
  house = undefined;
});

async function begin(changes?: Readonly<Record<string, unknown>>) {
  house = await openRealHouse({ PATH: process.env['PATH'] });
  const { run } = await house.client.createRun({ recipeYaml: house.recipe(changes) });
  return { house, runId: run!.runId };
}

/** Waits until a run shows that phase of that step. */
async function phase(
  { client }: RealHouse,
  runId: string,
  wanted: { readonly step: number; readonly phase: string; readonly done: number },
): Promise<void> {
  for await (const { event } of client.watchRun({ runId })) {
    if (event?.kind?.$case === 'stateChanged' && event.kind.value.state === RunState.FAILED)
      throw new Error(event.kind.value.failure);
    if (event?.kind?.$case !== 'phaseProgress') continue;
    const { step, phase, done } = event.kind.value;
    if (step > wanted.step) throw new Error(`step ${wanted.step} passed before ${wanted.phase} was seen`);
    if (step === wanted.step && phase === wanted.phase && done >= wanted.done) return;
  }
  throw new Error(`the run ended before ${wanted.phase} of step ${wanted.step}`);
}

/** Every rollout of a run, in short. */
async function rolloutsOf({ client }: RealHouse, runId: string) {
  const found = [];
  for (let pageToken = ''; ;) {
    const { rollouts, nextPageToken } = await client.listRollouts({ runId, pageSize: 100, pageToken });
    found.push(...rollouts);
    if (nextPageToken === '') return found;
    pageToken = nextPageToken;
  }
}

interface LogLine {
  readonly msg: string;
  readonly step: number;
  readonly traceId: string;
}

/** The lines of a room's log that say so, in order. */
const said = (room: RealHouse, name: RealRoom, msg: string): readonly LogLine[] =>
  room
    .log(name)
    .split('\n')
    .filter((line) => line.includes(msg))
    .map((line) => JSON.parse(line) as LogLine);

/** The steps that the policy says it took, in the order in which it took them. */
const stepsTaken = (room: RealHouse): readonly number[] =>
  said(room, 'policy', 'training step taken').map(({ step }) => step);

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

/** Whether the process is a slot of a judge, and not another one that got its id. */
function isSlot(pid: number): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('slot.py');
}

function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended already, with its judge.
  }
}

/** Control groups of slots with these ids. */
async function groupsOf(
  pids: readonly number[],
  folder = '/sys/fs/cgroup',
  depth = 4,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    const [, pid] = /^backsight-judge\.\d+\.(\d+)\./.exec(entry.name) ?? [];
    if (pid !== undefined && pids.includes(Number(pid))) found.push(path);
    else if (entry.isDirectory() && depth > 0) found.push(...(await groupsOf(pids, path, depth - 1)));
  }
  return found;
}

async function expectWholeRun(room: RealHouse, runId: string, events: readonly RunEvent[]): Promise<void> {
  expect(ofKind(events, 'stateChanged').at(-1)).toEqual({ state: RunState.SUCCEEDED, failure: '' });
  expect(
    ofKind(events, 'stepFinished').map(({ step, policyVersion, rollouts }) => [
      step,
      policyVersion,
      rollouts,
    ]),
  ).toEqual(
    Array.from({ length: STEPS }, (_, index) => index + 1).map((step) => [
      step,
      step * MINI_BATCHES,
      step * ROLLOUTS,
    ]),
  );
  expect((await room.policyClient.describe({})).version).toBe(STEPS * MINI_BATCHES);
  const rollouts = await rolloutsOf(room, runId);
  expect(new Set(rollouts.map(({ rolloutId }) => rolloutId)).size).toBe(STEPS * ROLLOUTS);
  expect(rollouts).toHaveLength(STEPS * ROLLOUTS);
  // What a step trained on was sampled by the weights that it started from.
  expect(rollouts.every(({ step, policyVersion }) => policyVersion === (step - 1) * MINI_BATCHES)).toBe(true);
}

/** Expects of a disturbed run what the same recipe gives when nothing disturbs it. */
async function expectSameAsUndisturbed(room: RealHouse, runId: string): Promise<void> {
  const { run } = await room.client.createRun({ recipeYaml: room.recipe({ name: 'undisturbed' }) });
  await follow(room, run!.runId);
  const outcomes = async (id: string) =>
    (await rolloutsOf(room, id)).map(({ rolloutId, taskId, reward, completionTokens }) => [
      rolloutId,
      taskId,
      reward,
      completionTokens,
    ]);
  expect(await outcomes(runId)).toEqual(await outcomes(run!.runId));
}

describe('a run over real rooms', () => {
  it('takes each step once, whenever the coordinator is killed', async () => {
    const { house: room, runId } = await begin();
    const killAndRevive = async (): Promise<void> => {
      await room.kill('coordinator');
      await room.revive('coordinator');
    };
    await phase(room, runId, { step: 1, phase: 'rollout', done: 1 });
    await killAndRevive();
    await phase(room, runId, { step: 2, phase: 'train', done: 0 });
    await killAndRevive();
    // Held still while the policy trains, then killed: the step is taken and nothing of it is stored.
    await phase(room, runId, { step: 3, phase: 'train', done: 0 });
    await delay(30);
    room.room('coordinator').signal('SIGSTOP');
    await eventually(
      async () => (await room.policyClient.describe({})).version >= 3 * MINI_BATCHES,
      'step 3',
    );
    await killAndRevive();
    await phase(room, runId, { step: 5, phase: 'rollout', done: ROLLOUTS / 2 });
    await killAndRevive();
    const events = await follow(room, runId);
    await expectWholeRun(room, runId, events);
    expect(stepsTaken(room)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(ofKind(events, 'warning').map(({ code }) => code)).toContain('train-report-lost');
  }, 120_000);

  it('brings a killed policy back and plays on as if nothing had happened', async () => {
    const checkpoint = { everySteps: 3 };
    const { house: room, runId } = await begin({ checkpoint });
    for (const moment of [
      { step: 2, phase: 'rollout', done: 1 },
      { step: 5, phase: 'train', done: 0 },
    ]) {
      await phase(room, runId, moment);
      await room.kill('policy');
      await room.revive('policy');
    }
    const events = await follow(room, runId);
    await expectWholeRun(room, runId, events);
    expect(ofKind(events, 'warning').map(({ message }) => message)).toEqual([
      expect.stringMatching(
        /brought back to step 1 from checkpoint initial, and trained again on the rollouts since step 0/,
      ),
      expect.stringMatching(
        /brought back to step 4 from checkpoint .*-step-3, and trained again on the rollouts since step 3/,
      ),
    ]);
    await expectSameAsUndisturbed(room, runId);
  }, 120_000);

  it('invents no reward when the judge is killed under load, and the next one clears away what it left', async () => {
    const { house: room, runId } = await begin();
    const killed: number[] = [];
    for (const step of [1, 3, 4]) {
      await phase(room, runId, { step, phase: 'rollout', done: 1 });
      const { pid } = room.room('judge');
      const slots = childrenOf(pid);
      killed.push(...slots);
      await room.kill('judge');
      // A slot clears away after itself, even when the judge is dead; the second and third time it cannot.
      if (step > 1) for (const slot of slots) endNow(slot);
      await delay(300);
      await room.revive('judge');
    }
    const events = await follow(room, runId);
    await expectWholeRun(room, runId, events);
    expect(killed.length).toBeGreaterThan(0);
    expect(killed.filter((slot) => existsSync(`/proc/${slot}/cmdline`) && isSlot(slot))).toEqual([]);
    expect(await groupsOf(killed)).toEqual([]);
    // A step's lines are found in every room's log under one trace.
    const traces = (name: RealRoom, msg: string) => said(room, name, msg).map(({ traceId }) => traceId);
    expect(new Set(traces('policy', 'training step taken')).size).toBe(STEPS);
    expect(traces('coordinator', 'step finished')).toEqual(traces('policy', 'training step taken'));
    await expectSameAsUndisturbed(room, runId);
  }, 120_000);

  it('forks at a step into what the run itself went on to do', async () => {
    const { house: room, runId } = await begin({ checkpoint: { everySteps: 1 }, steps: 4 });
    await follow(room, runId);
    const { run } = await room.client.forkRun({ runId, step: 2 });
    expect(ofKind(await follow(room, run!.runId), 'stateChanged').at(-1)?.state).toBe(RunState.SUCCEEDED);
    const outcomes = async (id: string) =>
      (await rolloutsOf(room, id)).filter(({ step }) => step > 2).map((rollout) => ({ ...rollout }));
    expect(await outcomes(run!.runId)).toEqual(await outcomes(runId));
    expect(await outcomes(runId)).toHaveLength(2 * ROLLOUTS);
  }, 120_000);

  it('discovers a program that no attempt found at first, and probes that hindsight helps', async () => {
    house = await openRealHouse({ PATH: process.env['PATH'] });
    const hindsight = { demonstrationSource: 'none', feedback: 'always' };
    const recipeYaml = house.recipe({
      hindsight,
      objective: { distillation: { alpha: 1, support: { kind: 'top-k-tail', k: 20 }, importanceCap: 2 } },
      miniBatches: 8,
      checkpoint: { everySteps: 0 },
    });
    const batches = [];
    const request = { recipeYaml, taskId: 'train-03', maxAttempts: 512 };
    for await (const batch of house.client.discover(request)) batches.push(batch);
    expect(batches[0]).toMatchObject({ attempts: 8, solved: false });
    expect(batches.at(-1)).toMatchObject({
      solved: true,
      solution: expect.stringContaining('print(') as unknown as string,
    });
    expect((await house.policyClient.describe({})).version).toBe(8 * (batches.length - 1));

    await house.policyClient.restoreCheckpoint({ name: 'initial' });
    let result: ProbeResult | undefined;
    for await (const answer of house.client.probe({ recipeYaml, maxTasks: 12 })) result = answer.result;
    expect(result?.hindsightFraction).toBeGreaterThan(0.9);
    expect(result?.teacherPassRate).toBeGreaterThan((result?.studentPassRate ?? 1) + 0.1);
  }, 120_000);
});
