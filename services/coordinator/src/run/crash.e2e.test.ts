import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CoordinatorServiceDefinition, type RunEvent, RunState } from '@backsight/contract/coordinator';
import { connect } from '@backsight/rpc';
import {
  type RoomProcess,
  runToEnd,
  type Script,
  scriptedPolicy,
  startRoomProcess,
} from '@backsight/testing';
import { toyEnvironment } from '../toy-environment.js';
import { openToyRooms, toyRecipe } from '../toy-house.js';
import { eventually, follow, ofKind } from '../toy-watching.js';

const main = join(import.meta.dirname, '../../dist/main.js');

/** A quarter of the samples is right at the start, all at version 6. */
const learner: Script['answer'] = (prompt, { sampleIndex, version }) =>
  version >= 2 * sampleIndex ? (/Say (\w+)\./.exec(prompt)?.[1] ?? '') : `wrong${sampleIndex}`;

let folder = '';
let processes: RoomProcess[] = [];
let closers: (() => unknown)[] = [];

beforeEach(() => {
  if (!existsSync(main)) throw new Error(`${main} is not built: run npm run build first.`);
  folder = mkdtempSync(join(tmpdir(), 'crash-'));
});

afterEach(async () => {
  for (const close of closers.reverse()) await close();
  closers = [];
  await Promise.all(processes.map((each) => each.stop('SIGKILL')));
  processes = [];
  rmSync(folder, { recursive: true, force: true });
});

const settings = () => ({
  BACKSIGHT_COORDINATOR_ADDRESS: '127.0.0.1:0',
  BACKSIGHT_COORDINATOR_LOG_LEVEL: 'warn',
  BACKSIGHT_STORE: join(folder, 'store.sqlite'),
});

async function startCoordinatorProcess() {
  const room = await startRoomProcess(main, { env: settings() });
  processes.push(room);
  const connection = connect(CoordinatorServiceDefinition, room.address);
  closers.push(() => {
    connection.close();
  });
  return { room, client: connection.client };
}

async function openRooms() {
  const policy = scriptedPolicy({ answer: learner });
  const world = toyEnvironment({ train: ['ant', 'bee', 'cat', 'dog'] });
  const rooms = await openToyRooms(policy.implementation, world);
  closers.push(() => rooms.close());
  return { policy, world, addresses: rooms.addresses };
}

describe('a coordinator process that is killed', () => {
  it('goes on at any moment, and no step is taken twice', async () => {
    const { policy, world, addresses } = await openRooms();
    // Every transaction takes a while, so that a kill meets runs before, in and after it.
    policy.faults.add('trainStep', ...Array.from({ length: 40 }, () => ({ kind: 'delay' as const, ms: 25 })));
    let coordinator = await startCoordinatorProcess();
    const recipeYaml = toyRecipe(addresses, { steps: 12, groupSize: 4 });
    const { run } = await coordinator.client.createRun({ recipeYaml });
    const runId = run!.runId;
    for (const [kill, reached] of [1, 4, 7, 9].entries()) {
      const seen = policy.calls('trainStep');
      await eventually(
        () => policy.calls('trainStep') > seen + (reached % 2),
        `TrainStep before kill ${kill}`,
      );
      expect(await coordinator.room.stop('SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
      coordinator = await startCoordinatorProcess();
    }
    const events = await follow(coordinator, runId);
    const steps = ofKind(events, 'stepFinished');
    expect(steps.map(({ step, policyVersion }) => [step, policyVersion])).toEqual(
      Array.from({ length: 12 }, (_, index) => [index + 1, 2 * (index + 1)]),
    );
    expect(policy.taken.map(({ plan }) => plan.step)).toEqual(steps.map(({ step }) => step));
    expect(policy.version).toBe(24);
    expect(events.map(({ sequence }) => sequence).filter((sequence) => sequence > 0)).toEqual(
      events.filter(({ sequence }) => sequence > 0).map((_, index) => index + 1),
    );
    expect(lastState(events)).toBe(RunState.SUCCEEDED);
    // Each kill loses at most the rollouts of the step that was being played.
    expect(world.begun.length).toBeLessThanOrEqual(12 * 8 + 4 * 8);
  });

  it('drains on SIGTERM and leaves the run to the next start', async () => {
    const { policy, addresses } = await openRooms();
    policy.faults.add('trainStep', { kind: 'delay', ms: 60_000 });
    const first = await startCoordinatorProcess();
    const { run } = await first.client.createRun({ recipeYaml: toyRecipe(addresses) });
    await eventually(() => policy.calls('trainStep') === 1, 'the first TrainStep');
    expect(await first.room.stop('SIGTERM')).toEqual({ code: 0, signal: null });
    const second = await startCoordinatorProcess();
    expect(ofKind(await follow(second, run!.runId), 'stepFinished')).toHaveLength(3);
    expect(policy.taken).toHaveLength(3);
  });

  it('says in one sentence what is wrong with its settings or its store', async () => {
    const wrong = await runToEnd(main, { env: { ...settings(), BACKSIGHT_COORDINATOR_ADDRESS: 'nowhere' } });
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toMatch(
      /^coordinator: BACKSIGHT_COORDINATOR_ADDRESS must be an address host:port.*\n$/,
    );
    const unreadable = await runToEnd(main, {
      env: { ...settings(), BACKSIGHT_STORE: '/dev/null/store.sqlite' },
    });
    expect(unreadable.code).toBe(1);
    expect(unreadable.stderr).toMatch(
      /^coordinator: The store \/dev\/null\/store\.sqlite cannot be opened: .*\n$/,
    );
  });
});

const lastState = (events: readonly RunEvent[]) => ofKind(events, 'stateChanged').at(-1)?.state;
