/** A run and its steps as the store keeps them. */
import type { RunState } from '@backsight/contract/coordinator';

/** A run as the store keeps it. */
export interface RunRecord {
  readonly runId: string;
  readonly name: string;
  readonly state: RunState;
  /** What a person asked of it while it runs. */
  readonly intent: Intent;
  /** Canonical YAML. */
  readonly recipe: string;
  readonly policyAddress: string;
  /** Steps finished. */
  readonly step: number;
  readonly totalSteps: number;
  /** The policy's version after the last finished step; undefined before the run has taken hold of its policy. */
  readonly policyVersion: number | undefined;
  /** Rollouts of finished steps. */
  readonly rollouts: number;
  /** Empty unless it failed. */
  readonly failure: string;
  /** Figures of the last finished step. */
  readonly metrics: Metrics;
  readonly createdAtMs: number;
}

export type Intent = 'run' | 'pause';

/** Figures under their established names. */
export type Metrics = Readonly<Record<string, number>>;

/** A step as the store keeps it. */
export interface StepRecord {
  readonly step: number;
  /** The policy's version before the transaction. */
  readonly startVersion: number;
  /** The policy's version once the transaction is taken. */
  readonly expectedVersion: number;
  readonly finished: boolean;
  readonly metrics: Metrics;
  /** Name of the checkpoint saved after the step. */
  readonly checkpoint: string | undefined;
}

/** The finished step of another run that a run goes on from. */
export interface RunOrigin {
  /** At least 1. */
  readonly step: number;
  /** The policy's version after it. */
  readonly policyVersion: number;
  /** Name of the checkpoint that holds the policy after it. */
  readonly checkpoint: string;
  readonly metrics: Metrics;
}
