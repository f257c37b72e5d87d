/** Where a run is, folded from its events: what a bar or a line needs to show. Pure. */
import type { RunEvent, RunState } from '@backsight/contract/coordinator';
import { emptyTally, type Tally, tallied } from './tally.js';

export interface RunProgress {
  readonly state: RunState;
  readonly failure: string;
  /** Steps finished. */
  readonly step: number;
  readonly totalSteps: number;
  readonly rollouts: number;
  readonly phase: { readonly name: string; readonly done: number; readonly total: number } | undefined;
  /** Mean reward of the last step; undefined before the first. */
  readonly reward: number | undefined;
  readonly tokensPerSecond: number | undefined;
  /** Every evaluation so far, in order. */
  readonly evaluations: readonly Evaluation[];
  /** When the first step under way began and how many steps were finished then, for the time left. */
  readonly clock: { readonly startedAtMs: number; readonly fromStep: number } | undefined;
  readonly warnings: readonly string[];
  /** Figures of the steps seen so far. */
  readonly tally: Tally;
}

export interface Evaluation {
  readonly step: number;
  readonly split: string;
  readonly passRate: number;
  readonly rollouts: number;
}

export const freshProgress = (totalSteps: number): RunProgress => ({
  state: 'RUN_STATE_PENDING',
  failure: '',
  step: 0,
  totalSteps,
  rollouts: 0,
  phase: undefined,
  reward: undefined,
  tokensPerSecond: undefined,
  evaluations: [],
  clock: undefined,
  warnings: [],
  tally: emptyTally,
});

/** The progress after one more event. */
export function advance(progress: RunProgress, event: RunEvent): RunProgress {
  const { kind } = event;
  if (kind === undefined) return progress;
  switch (kind.$case) {
    case 'stateChanged':
      return { ...progress, state: kind.value.state, failure: kind.value.failure };
    case 'stepFinished':
      return {
        ...progress,
        step: kind.value.step,
        rollouts: kind.value.rollouts,
        phase: undefined,
        tally: tallied(progress.tally, kind.value.metrics),
        reward: kind.value.metrics['critic/rewards/mean'] ?? progress.reward,
        tokensPerSecond: kind.value.metrics['perf/throughput'] ?? progress.tokensPerSecond,
      };
    case 'evaluated':
      return {
        ...progress,
        rollouts: kind.value.rollouts,
        phase: progress.phase && { ...progress.phase, done: progress.phase.total },
        evaluations: [...progress.evaluations, kind.value],
      };
    case 'phaseProgress': {
      const { phase: name, done, total } = kind.value;
      const clock = progress.clock ?? { startedAtMs: event.atMs, fromStep: progress.step };
      return { ...progress, phase: { name, done, total }, clock };
    }
    case 'warning':
      return { ...progress, warnings: [...progress.warnings, kind.value.message] };
  }
}

/** Seconds left at the pace of the steps seen so far; undefined before the first finished step. */
export function secondsLeft(progress: RunProgress, nowMs: number): number | undefined {
  const { clock } = progress;
  if (clock === undefined) return undefined;
  const finished = progress.step - clock.fromStep;
  if (finished <= 0) return undefined;
  return ((nowMs - clock.startedAtMs) / 1000 / finished) * (progress.totalSteps - progress.step);
}

/** The last pass rate on a split; undefined when it was not evaluated. */
export const lastPassRate = (progress: RunProgress, split?: string): number | undefined =>
  progress.evaluations.filter((evaluation) => split === undefined || evaluation.split === split).at(-1)
    ?.passRate;
