/**
 * Hindsight: what the teacher may know of an answer that the policy did not when it wrote it.
 *
 * Two things can teach: a demonstration, which is a sibling's successful answer to the same question, and the feedback that the
 * answer itself received. An answer with neither is masked: it has no teacher and no distillation loss (arXiv 2601.20802, Sec. 2).
 */

import { type Problem, numberProblems } from './problem.js';
import { random, type Seed } from './random.js';
import { type Group, type Rollout } from './rollout.js';

/** What may be told. */
export interface HindsightOptions {
  /**
   * Whose success may be shown: other rollouts of the group, the rollout's own as well, or nobody's. Among several the seed
   * chooses: showing the shortest teaches brevity until answers collapse, and showing the first shows everybody the same.
   */
  readonly demonstrationSource: 'peers' | 'peers-and-self' | 'none';
  /** When the rollout's own feedback is told: if it has no demonstration, always, or never. */
  readonly feedback: 'without-demonstration' | 'always' | 'never';
  /** A rollout is a success at this reward or more; in (0, 1]. */
  readonly successThreshold: number;
  /** Whether a demonstration loses its closed `<think>` spans. */
  readonly thinking: 'removed' | 'kept';
}

/** The published settings with feedback (arXiv 2601.20802, Sec. 4). */
export const hindsightDefaults: HindsightOptions = {
  demonstrationSource: 'peers',
  feedback: 'without-demonstration',
  successThreshold: 0.5,
  thinking: 'removed',
};

/** What is told about one rollout; at least one of the two. */
export interface Hindsight {
  readonly demonstration?: Demonstration;
  /** Verbatim. */
  readonly feedback?: string;
}

/** A successful rollout as it is shown to the teacher. */
export interface Demonstration {
  readonly rolloutId: string;
  readonly text: string;
}

/**
 * Why nothing can be told.
 *
 * - `no-success`: nobody in the group succeeded, and there is no feedback.
 * - `only-success`: the rollout is the group's one success and is not shown to itself.
 * - `no-feedback`: demonstrations are not wanted, and there is no feedback.
 */
export type NoHindsight = 'no-success' | 'only-success' | 'no-feedback';

/** What the teacher is told about a rollout of a group, or why it is told nothing. */
export function chooseHindsight(
  rollout: Rollout,
  group: Group,
  options: HindsightOptions,
  seed: Seed,
): Hindsight | NoHindsight {
  const demonstration = chooseDemonstration(rollout, group, options, seed);
  const wanted =
    options.feedback === 'always' ||
    (options.feedback === 'without-demonstration' && demonstration === undefined);
  const feedback = wanted ? teacherFeedback(rollout) : undefined;
  if (demonstration === undefined && feedback === undefined) {
    if (options.demonstrationSource === 'none') return 'no-feedback';
    return isSuccess(rollout, options) ? 'only-success' : 'no-success';
  }
  return {
    ...(demonstration === undefined ? {} : { demonstration }),
    ...(feedback === undefined ? {} : { feedback }),
  };
}

/** Whether a rollout counts as a success. */
export function isSuccess(
  { outcome }: Rollout,
  { successThreshold }: Pick<HindsightOptions, 'successThreshold'>,
): boolean {
  return outcome.reward >= successThreshold;
}

/** The remarks a teacher may read, blank ones left out, a blank line between two; undefined when none is left. */
export function teacherFeedback({ outcome }: Rollout): string | undefined {
  const remarks = outcome.feedback.filter(
    ({ text, visibility }) => visibility === 'teacher' && !isBlank(text),
  );
  return remarks.length === 0 ? undefined : remarks.map(({ text }) => text).join('\n\n');
}

/** The text without its closed `<think>` spans and the white space after each; a span that never closes stays. */
export function removeThinking(text: string): string {
  return text.replace(/<think>[\s\S]*?<\/think>\s*/g, '');
}

/** What is wrong with the options; empty when nothing is. */
export function hindsightProblems(options: HindsightOptions): readonly Problem[] {
  return numberProblems('successThreshold', options.successThreshold, { above: 0, atMost: 1 });
}

function chooseDemonstration(
  rollout: Rollout,
  group: Group,
  options: HindsightOptions,
  seed: Seed,
): Demonstration | undefined {
  if (options.demonstrationSource === 'none') return undefined;
  const candidates = group.rollouts
    .filter((sibling) => isSuccess(sibling, options))
    .filter((sibling) => sibling.id !== rollout.id || options.demonstrationSource === 'peers-and-self')
    .map((sibling) => ({ rolloutId: sibling.id, text: shown(sibling, options) }))
    .filter(({ text }) => !isBlank(text));
  // Each candidate draws a lot and the lowest wins, whatever the order in which the rollouts came in.
  const lot = ({ rolloutId }: Demonstration) => random(seed, 'demonstration', rollout.id, rolloutId).unit();
  const [winner] = candidates
    .map((candidate) => ({ candidate, lot: lot(candidate) }))
    .sort((a, b) => a.lot - b.lot);
  return winner?.candidate;
}

function shown({ text }: Rollout, { thinking }: HindsightOptions): string {
  return thinking === 'removed' ? removeThinking(text) : text;
}

function isBlank(text: string): boolean {
  return text.trim() === '';
}
