/** The tables of the store, as rows: texts, numbers and bytes alone, so that SQLite and PostgreSQL hold the same. */
export interface Tables {
  readonly runs: RunsTable;
  readonly steps: StepsTable;
  readonly rollouts: RolloutsTable;
  readonly turns: TurnsTable;
  readonly evaluations: EvaluationsTable;
  readonly events: EventsTable;
  readonly policies: PoliciesTable;
}

/** One row per run. */
export interface RunsTable {
  run_id: string;
  name: string;
  /** A RunState, as in the contract. */
  state: string;
  /** What a person asked of a running run: `run`, `pause`. */
  intent: string;
  /** Canonical YAML. */
  recipe: string;
  /** Null when the caller gave none. */
  idempotency_key: string | null;
  policy_address: string;
  /** Steps finished. */
  step: number;
  total_steps: number;
  /** The policy's version after the last finished step; null before the run has taken hold of its policy. */
  policy_version: number | null;
  /** Rollouts of finished steps. */
  rollouts: number;
  failure: string;
  /** JSON of the last finished step's metrics. */
  metrics: string;
  created_at_ms: number;
  /** Sequence number of the last event. */
  last_sequence: number;
}

/** One row per step, written before its TrainStep and completed after it. */
export interface StepsTable {
  run_id: string;
  step: number;
  /** The policy's version before the transaction. */
  start_version: number;
  /** The policy's version once the transaction is taken. */
  expected_version: number;
  /** 1 once the step is finished, else 0. */
  finished: number;
  /** JSON; `{}` until the step is finished. */
  metrics: string;
  /** Checkpoint of the policy after this step; null when none was saved. */
  checkpoint: string | null;
}

/** One row per rollout, written as its group completes. */
export interface RolloutsTable {
  run_id: string;
  rollout_id: string;
  step: number;
  group_index: number;
  sample_index: number;
  task_id: string;
  reward: number;
  solved: number;
  /** JSON of the contract's Outcome. */
  outcome: string;
  /** JSON of the contract's Tools. */
  tools: string;
  completion_tokens: number;
  /** Of the weights that sampled its first turn. */
  policy_version: number;
  /** Whose answer the teacher was shown; empty when none. */
  demonstration_rollout_id: string;
  /** JSON of the feedback that the teacher was shown; of an empty text when none. */
  teacher_feedback: string;
}

/** One row per turn of a rollout. */
export interface TurnsTable {
  run_id: string;
  rollout_id: string;
  turn: number;
  /** JSON of the messages that the turn's observation added. */
  messages: string;
  /** Little-endian uint32. */
  prompt_ids: Uint8Array;
  /** Little-endian uint32. */
  completion_ids: Uint8Array;
  /** Little-endian float32. */
  logprobs: Uint8Array;
  /** JSON of what the policy wrote: a database takes no text with a NUL in it. */
  text: string;
  truncated: number;
  policy_version: number;
  /** Little-endian uint32; empty when nothing taught this turn. */
  teacher_prompt_ids: Uint8Array;
}

/** One row per evaluation of a split. */
export interface EvaluationsTable {
  run_id: string;
  step: number;
  split: string;
  pass_rate: number;
  reward: number;
  samples: number;
  /** JSON of the contract's TaskResults. */
  tasks: string;
}

/** One row per stored event. */
export interface EventsTable {
  run_id: string;
  sequence: number;
  at_ms: number;
  /** JSON of the contract's RunEvent. */
  event: string;
}

/** One row per policy address: who trained it last. */
export interface PoliciesTable {
  address: string;
  run_id: string;
}
