/** The house on one machine: policy, environments and coordinator as processes on loopback ports. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '@backsight/rpc';
import { UserError } from '../user-error.js';
import type { Addresses, HouseOptions } from './house-options.js';
import { inFlags } from './in-flags.js';
import { KeptRoom } from './kept-room.js';
import { roomPlans, type RoomPlan } from './room-plans.js';
import { startRoom, type RoomName, type RoomProcess } from './room-process.js';

export interface House {
  readonly addresses: Addresses;
  /** Addresses of the policy's followers. */
  readonly followers: readonly string[];
  readonly logFolder: string;
  /** Resolves with one sentence as soon as a room ends and is not started again. */
  readonly broken: Promise<string>;
  stop(): Promise<void>;
}

/** The addresses of a house whose coordinator listens on `port`. */
const addressesFrom = (port: number): Addresses => ({
  coordinator: `127.0.0.1:${port}`,
  policy: `127.0.0.1:${port + 1}`,
  judge: `127.0.0.1:${port + 2}`,
  tools: `127.0.0.1:${port + 3}`,
  science: `127.0.0.1:${port + 4}`,
});

/** The addresses of followers, apart from those of the rooms. */
const followersFrom = (port: number, followers: number): readonly string[] =>
  Array.from({ length: followers }, (_, index) => `127.0.0.1:${port + 10 + index}`);

/** Starts every room; if one fails or the signal gives it up, stops the others and throws what it said. */
export async function startHouse(
  options: HouseOptions,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<House> {
  const addresses = addressesFrom(options.port);
  const logFolder = join(options.dataFolder, 'logs');
  await mkdir(logFolder, { recursive: true });
  const followers = followersFrom(options.port, options.followers ?? 0);
  const plans = roomPlans(roomsOf(options), options, { addresses, followers });
  const start = (plan: RoomPlan): Promise<RoomProcess> => {
    const logFile = join(logFolder, `${plan.name ?? plan.room}.log`);
    return startRoom({ ...plan, logFile, signal }, environment);
  };
  const started = await Promise.allSettled(plans.map(start));
  const running = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const [problem] = started.flatMap((result, index) =>
    result.status === 'rejected' ? [inFlags(describeError(result.reason), plans[index]?.settings ?? {})] : [],
  );
  if (problem !== undefined) {
    await stopInOrder(running);
    throw new UserError(problem);
  }
  // All have started, so the two lists are in step.
  const kept = plans.flatMap((plan, index) => {
    const process = running[index];
    return process === undefined ? [] : [new KeptRoom(process, () => start(plan), options.onRevived)];
  });
  return {
    addresses,
    followers,
    logFolder,
    broken: Promise.race(kept.map((room) => room.broken)),
    stop: () => stopInOrder(kept),
  };
}

/** The rooms that a house has: of the environments, those that have tasks. */
export function roomsOf({
  tasks,
  toolTasks,
  scienceTasks,
}: Pick<HouseOptions, 'tasks' | 'toolTasks' | 'scienceTasks'>): readonly RoomName[] {
  return [
    'coordinator',
    'policy',
    ...(tasks.length > 0 ? (['judge'] as const) : []),
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
