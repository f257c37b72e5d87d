/** A tool-use task: what the policy is told, and which calls answer it. */
import type { Message } from '@backsight/environment';
import type { Call } from './calls.js';

/** A call that answers a task. */
export interface GoldCall extends Call {
  /** An answer is right with it or without it. */
  readonly optional: boolean;
}

/** A task as read from a file. */
export interface ToolTask {
  readonly taskId: string;
  /** For people. */
  readonly title: string;
  readonly split: string;
  /** The system message if there is one, then the question with the documentation of the tools. */
  readonly messages: readonly Message[];
  /** The calls of the right answer, at least one of them not optional. */
  readonly gold: readonly GoldCall[];
}
