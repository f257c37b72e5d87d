/** What tests see of a run from outside: its events, and calls that fail. */
import type { CoordinatorServiceClient, RunEvent, RunState } from '@backsight/contract/coordinator';
import { type Failure, readFailure } from '@backsight/rpc';
import { setTimeout as delay } from 'node:timers/promises';

/** Someone who can be asked for events, such as a house. */
interface Watched {
  readonly client: CoordinatorServiceClient;
}

/** Every event of a run until it ends. */
export async function follow(house: Watched, runId: string, afterSequence = 0): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const { event } of house.client.watchRun({ runId, afterSequence })) {
    if (event !== undefined) events.push(event);
  }
  return events;
}

type Kind = NonNullable<RunEvent['kind']>;
type Values = { readonly [Each in Kind as Each['$case']]: Each['value'] };

/** The events of one kind, in order. */
export function ofKind<Case extends Kind['$case']>(
  events: readonly RunEvent[],
  wanted: Case,
): Values[Case][] {
  const isWanted = (kind: RunEvent['kind']): kind is Kind & { readonly value: Values[Case] } =>
    kind?.$case === wanted;
  return events.flatMap(({ kind }) => (isWanted(kind) ? [kind.value] : []));
}

export async function stateOf(house: Watched, runId: string): Promise<RunState | undefined> {
  return (await house.client.getRun({ runId })).run?.state;
}

/** Waits until something holds, for at most 15 seconds. */
export async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let attempt = 0; attempt < 1500; attempt += 1) {
    if (await holds()) return;
    await delay(10);
  }
  throw new Error(`${what} did not happen within 15 s`);
}

/** The failure of a call that must fail. */
export async function failureOf(call: Promise<unknown>): Promise<Failure> {
  try {
    await call;
  } catch (error) {
    const failure = readFailure(error);
    if (failure === undefined) throw error;
    return failure;
  }
  throw new Error('the call did not fail');
}
