/** A training transaction as the journal announces it. */
export interface Transaction {
  readonly step: number;
  readonly startVersion: number;
  /** The version once it is taken: one more per mini-batch. */
  readonly expectedVersion: number;
}
