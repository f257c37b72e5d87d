/** What each room of a house is started with. */
import { join } from 'node:path';
import { largePages } from '@backsight/engine';
import type { Addresses, HouseOptions } from './house-options.js';
import type { RoomName, RoomOptions } from './room-process.js';
import { torchPolicyCommand } from './torch-policy.js';

/** A room, but for where its log goes and who may give it up. */
export type RoomPlan = Omit<RoomOptions, 'logFile' | 'signal'>;

/** Where the rooms are. */
export interface Places {
  readonly addresses: Addresses;
  /** Of the policy's followers. */
  readonly followers: readonly string[];
}

/** Plans of the rooms, and of the policy's followers. Throws a UserError where PyTorch is asked for and not set up. */
export function roomPlans(
  rooms: readonly RoomName[],
  options: HouseOptions,
  places: Places,
): readonly RoomPlan[] {
  const plans = rooms.map((room): RoomPlan => {
    const settings = { ...roomSettings(room, options, places), ...options.settings?.[room] };
    return room === 'policy' && options.engine === 'torch'
      ? { room, settings, command: torchPolicyCommand(), startTimeoutMs: TORCH_START_MS }
      : { room, settings, startTimeoutMs: START_MS, ...(room === 'policy' && { defaults: largePages }) };
  });
  const policy = { ...roomSettings('policy', options, places), ...options.settings?.policy };
  return [...plans, ...places.followers.map((address, index) => follower(address, index, policy))];
}

const START_MS = 60_000;
const TORCH_START_MS = 180_000;

/** A follower has the policy's model, and asks often for its weights: a step on-policy waits for them. */
function follower(address: string, index: number, policy: Record<string, string>): RoomPlan {
  const settings = {
    ...policy,
    BACKSIGHT_POLICY_ADDRESS: address,
    BACKSIGHT_POLICY_FOLLOW: policy['BACKSIGHT_POLICY_ADDRESS'] ?? '',
    BACKSIGHT_POLICY_FOLLOW_INTERVAL_MS: '50',
  };
  const name = `follower-${index + 1}`;
  return { room: 'policy', name, settings, defaults: largePages, startTimeoutMs: START_MS };
}

function roomSettings(
  room: RoomName,
  options: HouseOptions,
  { addresses, followers }: Places,
): Record<string, string> {
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
        ...(followers.length === 0
          ? {}
          : { BACKSIGHT_COORDINATOR_FOLLOWERS: `${addresses.policy}=${followers.join(',')}` }),
      };
  }
}
