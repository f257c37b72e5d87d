/** A house of real rooms for tests: policy, judge and coordinator as processes that can be killed and started again. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoordinatorServiceDefinition, type CoordinatorServiceClient } from '@backsight/contract/coordinator';
import { PolicyServiceDefinition, type PolicyServiceClient } from '@backsight/contract/policy';
import { connect } from '@backsight/rpc';
import { freePort } from './free-port.js';
import { type RoomProcess, startRoomProcess } from './room-process.js';

const root = join(import.meta.dirname, '../../..');
const roomNames = ['policy', 'judge', 'coordinator'] as const;

export type RealRoom = (typeof roomNames)[number] | `follower-${number}`;

export interface RealHouse {
  /** Of the coordinator that runs at the moment. */
  readonly client: CoordinatorServiceClient;
  readonly policyClient: PolicyServiceClient;
  /** The room's process that runs, or ran last. */
  room(name: RealRoom): RoomProcess;
  /** Everything that the room's processes have logged. */
  log(name: RealRoom): string;
  /** Kills a room with SIGKILL. */
  kill(name: RealRoom): Promise<void>;
  /** Starts a killed room again, where it was. */
  revive(name: RealRoom): Promise<void>;
  /** A quickstart-like recipe of short steps, with changes. */
  recipe(changes?: Readonly<Record<string, unknown>>): string;
  close(): Promise<void>;
}

/** What the rooms' processes inherit; the judge looks for python3 on PATH. */
export type RealEnvironment = Readonly<Record<string, string | undefined>>;

/** Starts the rooms on free loopback ports, the policy with the tiny weights, and so many followers of it. They must be built. */
export async function openRealHouse(
  environment: RealEnvironment,
  { followers = 0 }: { readonly followers?: number } = {},
): Promise<RealHouse> {
  const folder = mkdtempSync(join(tmpdir(), 'real-house-'));
  const tasks = join(folder, 'tasks.jsonl');
  writeTasks(tasks);
  const [policy, judge, coordinator] = [await freePort(), await freePort(), await freePort()];
  const addresses = {
    policy: `127.0.0.1:${policy}`,
    judge: `127.0.0.1:${judge}`,
    coordinator: `127.0.0.1:${coordinator}`,
  };
  const settings: Record<RealRoom, Readonly<Record<string, string>>> = {
    policy: {
      BACKSIGHT_POLICY_ADDRESS: addresses.policy,
      BACKSIGHT_MODEL: join(root, 'models/tiny/weights'),
      BACKSIGHT_CHECKPOINTS: join(folder, 'checkpoints'),
      BACKSIGHT_THREADS: '2',
    },
    judge: { BACKSIGHT_JUDGE_ADDRESS: addresses.judge, BACKSIGHT_TASKS: tasks },
    coordinator: {
      BACKSIGHT_COORDINATOR_ADDRESS: addresses.coordinator,
      BACKSIGHT_STORE: join(folder, 'store.sqlite'),
    },
  };
  const theirs: string[] = [];
  for (let index = 1; index <= followers; index += 1) {
    const address = `127.0.0.1:${await freePort()}`;
    theirs.push(address);
    settings[`follower-${index}`] = {
      ...settings.policy,
      BACKSIGHT_POLICY_ADDRESS: address,
      BACKSIGHT_POLICY_FOLLOW: addresses.policy,
      BACKSIGHT_POLICY_FOLLOW_INTERVAL_MS: '100',
    };
  }
  const rooms = [...roomNames, ...theirs.map((_, index) => `follower-${index + 1}` as const)];
  const processes = new Map<RealRoom, RoomProcess[]>();
  const start = async (name: RealRoom): Promise<void> => {
    const env = { ...environment, ...settings[name] };
    const started = await startRoomProcess(mainOf(name), { env });
    processes.set(name, [...(processes.get(name) ?? []), started]);
  };
  const room = (name: RealRoom): RoomProcess => {
    const last = processes.get(name)?.at(-1);
    if (last === undefined) throw new Error(`The ${name} room was never started.`);
    return last;
  };
  let coordinatorConnection = connect(CoordinatorServiceDefinition, addresses.coordinator);
  const policyConnection = connect(PolicyServiceDefinition, addresses.policy);
  const close = async (): Promise<void> => {
    coordinatorConnection.close();
    policyConnection.close();
    await Promise.all([...processes.values()].flat().map((each) => each.stop('SIGKILL')));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(rooms.map(start));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    get client() {
      return coordinatorConnection.client;
    },
    policyClient: policyConnection.client,
    room,
    log: (name) => (processes.get(name) ?? []).map((each) => each.stderr()).join(''),
    kill: async (name) => {
      await room(name).stop('SIGKILL');
    },
    revive: async (name) => {
      await start(name);
      if (name !== 'coordinator') return;
      // A new connection does not sit out the pause between two attempts of the old one.
      coordinatorConnection.close();
      coordinatorConnection = connect(CoordinatorServiceDefinition, addresses.coordinator);
    },
    recipe: (changes) => realRecipe({ ...addresses, followers: theirs }, changes),
    close,
  };
}

/** A recipe in JSON, which is YAML too: steps short enough to be killed in, long enough to be caught. */
function realRecipe(
  {
    policy,
    judge,
    followers,
  }: { readonly policy: string; readonly judge: string; readonly followers: readonly string[] },
  changes: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({
    name: 'real run',
    seed: 11,
    steps: 6,
    tasksPerStep: 6,
    groupSize: 8,
    policy: { address: policy, start: 'initial', ...(followers.length > 0 && { followers }) },
    environment: { address: judge, split: 'train' },
    sampling: { maxTokens: 24 },
    objective: { distillation: { alpha: 0.5, support: { kind: 'full' } } },
    teacher: { rate: 0.01 },
    optimizer: { learningRate: 3e-4, weightDecay: 0 },
    miniBatches: 4,
    checkpoint: { everySteps: 1, keepLast: 2 },
    ...changes,
  });
}

function mainOf(name: RealRoom): string {
  const main = join(root, 'services', name.startsWith('follower') ? 'policy' : name, 'dist/main.js');
  if (!existsSync(main)) throw new Error(`${main} is not built: run npm run build first.`);
  return main;
}

function writeTasks(path: string): void {
  const writer = join(root, 'models/tiny/dist/write-tasks.js');
  const { status, stderr } = spawnSync(process.execPath, [writer, '--seed', '11', '--out', path]);
  if (status !== 0) throw new Error(`${writer} failed: ${String(stderr)}`);
}
