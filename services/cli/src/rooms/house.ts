/** The house on one machine: policy, environments and coordinator as processes on loopback ports. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '@backsight/rpc';
import { UserError } from '../user-error.js';
import { KeptRoom } from './kept-room.js';
import { startRoom, type RoomName, type RoomProcess } from './room-process.js';

export interface HouseOptions {
  /** Hugging Face folder of the policy. */
  readonly model: string;
  /** JSONL task files of the coding environment. */
  readonly tasks: readonly string[];
  /** JSONL task files of the tool-use environment; without any, the room stays empty. */
  readonly toolTasks: readonly string[];
  /** JSONL task files of the science environment; likewise. */
  readonly scienceTasks: readonly string[];
  /** Folder for checkpoints, the store and logs. */
  readonly dataFolder: string;
  /** The coordinator's port; policy, judge, tools and science take the next ones. */
  readonly port: number;
  /** Threads of one operator in the policy; absent leaves it to the room. */
  readonly threads?: number;
  /** `none` runs programs unprotected, which must be asked for in so many words. */
  readonly sandbox?: string;
  /** Told of a room that ended by itself and was started again; absent: the house breaks when a room ends. */
  readonly onRevived?: (words: string) => void;
  /** More settings, by room. */
  readonly settings?: Partial<Record<RoomName, Readonly<Record<string, string>>>>;
}

export type Addresses = Readonly<Record<RoomName, string>>;

export interface House {
  readonly addresses: Addresses;
  readonly logFolder: string;
  /** Resolves with one sentence as soon as a room ends and is not started again. */
  readonly broken: Promise<string>;
  stop(): Promise<void>;
}

/** The addresses of a house whose coordinator listens on `port`. */
export const addressesFrom = (port: number): Addresses => ({
  coordinator: `127.0.0.1:${port}`,
  policy: `127.0.0.1:${port + 1}`,
  judge: `127.0.0.1:${port + 2}`,
  tools: `127.0.0.1:${port + 3}`,
  science: `127.0.0.1:${port + 4}`,
});

/** Starts every room; if one fails, stops the others and throws what it said. */
export async function startHouse(options: HouseOptions, environment: NodeJS.ProcessEnv): Promise<House> {
  const addresses = addressesFrom(options.port);
  const logFolder = join(options.dataFolder, 'logs');
  await mkdir(logFolder, { recursive: true });
  const rooms = roomsOf(options);
  const start = (room: RoomName): Promise<RoomProcess> => {
    const settings = { ...roomSettings(room, options, addresses), ...options.settings?.[room] };
    const logFile = join(logFolder, `${room}.log`);
    return startRoom({ room, settings, logFile, startTimeoutMs: 60_000 }, environment);
  };
  const started = await Promise.allSettled(rooms.map(start));
  const running = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = started.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await stopInOrder(running);
    const words = describeError(failed.reason);
    throw new UserError(words.replace(/choose another address$/, 'choose other ports with --port'));
  }
  const kept = running.map((process) => new KeptRoom(process, () => start(process.room), options.onRevived));
  return {
    addresses,
    logFolder,
    broken: Promise.race(kept.map((room) => room.broken)),
    stop: () => stopInOrder(kept),
  };
}

/** The rooms that a house has: of the environments beside the judge, those that have tasks. */
export function roomsOf({
  toolTasks,
  scienceTasks,
}: Pick<HouseOptions, 'toolTasks' | 'scienceTasks'>): readonly RoomName[] {
  return [
    'coordinator',
    'policy',
    'judge',
    ...(toolTasks.length > 0 ? (['tools'] as const) : []),
    ...(scienceTasks.length > 0 ? (['science'] as const) : []),
  ];
}

/** The coordinator first: it alone calls the others. */
async function stopInOrder(rooms: readonly Pick<RoomProcess, 'room' | 'stop'>[]): Promise<void> {
  const coordinator = rooms.filter((room) => room.room === 'coordinator');
  const others = rooms.filter((room) => room.room !== 'coordinator');
  await Promise.all(coordinator.map((room) => room.stop()));
  await Promise.all(others.map((room) => room.stop()));
}

function roomSettings(room: RoomName, options: HouseOptions, addresses: Addresses): Record<string, string> {
  switch (room) {
    case 'policy':
      return {
        BACKSIGHT_POLICY_ADDRESS: addresses.policy,
        BACKSIGHT_MODEL: options.model,
        BACKSIGHT_CHECKPOINTS: join(options.dataFolder, 'checkpoints'),
        ...(options.threads === undefined ? {} : { BACKSIGHT_THREADS: String(options.threads) }),
      };
    case 'judge':
      return {
        BACKSIGHT_JUDGE_ADDRESS: addresses.judge,
        BACKSIGHT_TASKS: options.tasks.join(','),
        ...(options.sandbox === undefined ? {} : { BACKSIGHT_SANDBOX: options.sandbox }),
      };
    case 'tools':
      return { BACKSIGHT_TOOLS_ADDRESS: addresses.tools, BACKSIGHT_TOOL_TASKS: options.toolTasks.join(',') };
    case 'science':
      return {
        BACKSIGHT_SCIENCE_ADDRESS: addresses.science,
        BACKSIGHT_SCIENCE_TASKS: options.scienceTasks.join(','),
      };
    case 'coordinator':
      return {
        BACKSIGHT_COORDINATOR_ADDRESS: addresses.coordinator,
        BACKSIGHT_STORE: join(options.dataFolder, 'store.sqlite'),
      };
  }
}
