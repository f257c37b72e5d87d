/** The store: runs, their journal, their evaluations and events, behind one query layer. */
import type { RunEvent } from '@backsight/contract/coordinator';
import { EvaluationStore } from './evaluations.js';
import { type EventPage, readEvents } from './events.js';
import { Journal } from './journal.js';
import { openDatabase } from './open-database.js';
import { RolloutShelf } from './rollout-shelf.js';
import { RunStore } from './runs.js';

export interface Store {
  readonly runs: RunStore;
  readonly journal: Journal;
  readonly evaluations: EvaluationStore;
  readonly rollouts: RolloutShelf;
  /** Stored events after a sequence number, with the state at that moment; undefined when there is no such run. */
  events(runId: string, afterSequence: number): Promise<EventPage | undefined>;
  close(): Promise<void>;
}

export type { EventPage, RunEvent };

/** Opens the store at a path. `changed` is told of every run that has new events. */
export async function openStore(path: string, changed: (runId: string) => void): Promise<Store> {
  const { connection, close } = await openDatabase(path);
  return {
    runs: new RunStore(connection, changed),
    journal: new Journal(connection, changed),
    evaluations: new EvaluationStore(connection, changed),
    rollouts: new RolloutShelf(connection),
    events: (runId, afterSequence) => readEvents(connection, runId, afterSequence),
    close,
  };
}
