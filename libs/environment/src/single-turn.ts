/** An episode of one turn: pose, act, judge. */
import type { Action, Episode, Observation, Outcome } from './environment.js';

/** Poses the observation, then judges the one action. */
export async function* singleTurn(
  pose: Observation,
  judge: (action: Action) => Outcome | Promise<Outcome>,
): Episode {
  const action = yield pose;
  return judge(action);
}
