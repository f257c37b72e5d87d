/** A multiple-choice task: what the policy is told, which options it has, and which of them is right. */
import type { Message } from '@backsight/environment';

/** One of the options. */
export interface Option {
  /** A capital letter. */
  readonly letter: string;
  readonly text: string;
}

/** A task as read from a file. */
export interface ScienceTask {
  readonly taskId: string;
  /** For people. */
  readonly title: string;
  readonly split: string;
  /** The system message if there is one, then the question with its options. */
  readonly messages: readonly Message[];
  /** At least two, each letter once. */
  readonly options: readonly Option[];
  /** The letter of the right option. */
  readonly answer: string;
}
