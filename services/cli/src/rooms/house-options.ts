/** What a house is asked to be, and where its rooms are. */
import type { RoomName } from './room-process.js';

export const policyEngines = ['embedded', 'torch'] as const;
export type PolicyEngine = (typeof policyEngines)[number];

export interface HouseOptions {
  /** Hugging Face folder of the policy. */
  readonly model: string;
  /** JSONL task files of the coding environment; without any, the room stays empty. */
  readonly tasks: readonly string[];
  /** JSONL task files of the tool-use environment; likewise. */
  readonly toolTasks: readonly string[];
  /** JSONL task files of the science environment; likewise. */
  readonly scienceTasks: readonly string[];
  /** Folder for checkpoints, the store and logs. */
  readonly dataFolder: string;
  /** The coordinator's port; policy, judge, tools and science take the next ones. */
  readonly port: number;
  /** What computes the policy. Default `embedded`. */
  readonly engine?: PolicyEngine;
  /** Followers of the policy, which sample in its place. Default 0. */
  readonly followers?: number;
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
