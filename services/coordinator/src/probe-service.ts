/** The edge of Probe: checks the recipe, probes, and tells how far it is until the result is there. */
import type { ProbeRequest, ProbeResponse } from '@backsight/contract/coordinator';
import { missingToPlay } from './checks.js';
import { LatestProgress } from './latest-progress.js';
import { parseRecipe, RecipeError } from './recipe/recipe.js';
import type { Rooms } from './rooms/rooms.js';
import { meetPlayers, partiesOf } from './run/players.js';
import { probe } from './run/probe.js';
import { PreconditionError } from './run-errors.js';

/** A caller waits: a room that was there may go away for this long, in milliseconds; one that never was is told at once. */
const PATIENCE_MS = 60_000;

/** Yields progress, then the result. Throws RecipeError, PreconditionError and the failures of the rooms. */
export async function* probeTasks(
  rooms: Rooms,
  { recipeYaml, maxTasks }: ProbeRequest,
  callerSignal: AbortSignal,
): AsyncGenerator<ProbeResponse, void, void> {
  const recipe = parseRecipe(recipeYaml);
  if (recipe.hindsight === undefined) {
    const description = 'is needed: without it there is nothing to probe';
    throw new RecipeError([{ field: 'hindsight', description }]);
  }
  const scope = new AbortController();
  const signal = AbortSignal.any([callerSignal, scope.signal]);
  try {
    const met = await meetPlayers(rooms, partiesOf(recipe), { patienceMs: 0, signal });
    const players = { ...met, patience: { patienceMs: PATIENCE_MS, signal } };
    const missing = missingToPlay(recipe, {
      policy: players.policyCard,
      environment: players.environmentCard,
    });
    if (missing.length > 0) throw new PreconditionError('recipe', missing.join('; '));
    const progress = new LatestProgress();
    let tasks = 0;
    const onProgress = (done: number, total: number): void => {
      tasks = total;
      progress.set(done, total);
    };
    const work = probe(players, recipe, { maxTasks, onProgress });
    for await (const advance of progress.until(work)) yield { ...advance, result: undefined };
    yield { done: tasks, total: tasks, result: await work };
  } finally {
    scope.abort();
  }
}
