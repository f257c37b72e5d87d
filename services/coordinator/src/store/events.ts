/** A run's events: appended, read back, never changed. */
import { RunEvent, RunState } from '@backsight/contract/coordinator';
import type { Connection, Query } from './open-database.js';

export type EventKind = NonNullable<RunEvent['kind']>;

/** Stored events of a run, in order, with the state the run was in when they were read. */
export interface EventPage {
  readonly events: readonly RunEvent[];
  readonly state: RunState;
}

const PAGE = 256;

/** Appends events to a run within a transaction of the caller. */
export async function appendEvents(query: Query, runId: string, kinds: readonly EventKind[]): Promise<void> {
  for (const kind of kinds) {
    const { last_sequence: sequence } = await query
      .updateTable('runs')
      .set((row) => ({ last_sequence: row('last_sequence', '+', 1) }))
      .where('run_id', '=', runId)
      .returning('last_sequence')
      .executeTakeFirstOrThrow();
    const event: RunEvent = { sequence, atMs: Date.now(), kind };
    await query
      .insertInto('events')
      .values({ run_id: runId, sequence, at_ms: event.atMs, event: JSON.stringify(RunEvent.toJSON(event)) })
      .execute();
  }
}

/** The next events after a sequence number; fewer than a page means that these are all, as of the state returned. */
export async function readEvents(
  connection: Connection,
  runId: string,
  afterSequence: number,
): Promise<EventPage | undefined> {
  return connection.transaction().execute(async (query) => {
    const run = await query.selectFrom('runs').select('state').where('run_id', '=', runId).executeTakeFirst();
    if (run === undefined) return undefined;
    const rows = await query
      .selectFrom('events')
      .select('event')
      .where('run_id', '=', runId)
      .where('sequence', '>', afterSequence)
      .orderBy('sequence')
      .limit(PAGE)
      .execute();
    return {
      events: rows.map((row) => RunEvent.fromJSON(JSON.parse(row.event))),
      state: parseState(run.state),
    };
  });
}

/** A state as the store spells it. */
export function parseState(text: string): RunState {
  const state = Object.values(RunState).find((name) => name === text);
  if (state === undefined) throw new Error(`The store holds a run in the unknown state "${text}".`);
  return state;
}
