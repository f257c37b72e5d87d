/** The coordinator's edge: unpacks requests, calls the coordinator, packs answers. */
import type { CoordinatorServiceImplementation } from '@backsight/contract/coordinator';
import { type CallIdentity, invalidArgument, notFound } from '@backsight/rpc';
import type { Coordinator } from './coordinator.js';
import { discover } from './discover-service.js';
import { evaluate } from './evaluate-service.js';
import { inspectRollout } from './inspect-rollout.js';
import { packPreview, packRun, packSummary } from './pack-runs.js';
import { formatPageToken, parsePageToken } from './page-token.js';
import { parseRecipe } from './recipe/recipe.js';
import { probeTasks } from './probe-service.js';
import type { Rooms } from './rooms/rooms.js';
import { meetPlayers, partiesOf } from './run/players.js';
import { spoken, spokenStream } from './spoken.js';

export function coordinatorService(
  coordinator: Coordinator,
  rooms: Rooms,
): CoordinatorServiceImplementation<CallIdentity> {
  const { store } = coordinator;
  return {
    createRun: ({ recipeYaml, dryRun, idempotencyKey }, { signal }) =>
      spoken(async () => {
        const recipe = await coordinator.check(recipeYaml, signal);
        if (dryRun) return { run: packPreview(recipe) };
        return { run: packRun(await coordinator.create(recipe, idempotencyKey)) };
      }),

    getRun: ({ runId }) => spoken(async () => ({ run: packRun(await coordinator.get(runId)) })),

    listRuns: ({ pageSize, pageToken }) =>
      spoken(async () => {
        const limit = pageLimit(pageSize);
        const place = parsePageToken(pageToken, 2);
        const after = place && { createdAtMs: Number(place[0]), runId: String(place[1]) };
        const found = await store.runs.list(limit + 1, after);
        const page = found.slice(0, limit);
        const nextPageToken = tokenAfter(found, limit, ({ createdAtMs, runId }) => [createdAtMs, runId]);
        return { runs: page.map(packRun), nextPageToken };
      }),

    watchRun: ({ runId, afterSequence }, { signal }) =>
      spokenStream(async function* () {
        for await (const event of await coordinator.watch(runId, afterSequence, signal)) yield { event };
      }),

    forkRun: ({ runId, step, recipeOverridesYaml }, { signal }) =>
      spoken(async () => {
        if (step < 0)
          throw invalidArgument([{ field: 'step', description: `must be at least 0, is ${step}` }]);
        return { run: packRun(await coordinator.fork(runId, step, recipeOverridesYaml, signal)) };
      }, 'recipe_overrides_yaml'),

    pauseRun: ({ runId }) => spoken(async () => ({ run: packRun(await coordinator.pause(runId)) })),

    resumeRun: ({ runId }) => spoken(async () => ({ run: packRun(await coordinator.resume(runId)) })),

    stopRun: ({ runId }) => spoken(async () => ({ run: packRun(await coordinator.stop(runId)) })),

    listRollouts: ({ runId, step, pageSize, pageToken }) =>
      spoken(async () => {
        await coordinator.get(runId);
        const limit = pageLimit(pageSize);
        const place = parsePageToken(pageToken, 3)?.map(Number);
        const [atStep = 0, groupIndex = 0, sampleIndex = 0] = place ?? [];
        const after = place && { step: atStep, groupIndex, sampleIndex };
        const found = await store.rollouts.list(runId, step, limit + 1, after);
        const page = found.slice(0, limit);
        const nextPageToken = tokenAfter(found, limit, (last) => [
          last.step,
          last.groupIndex,
          last.sampleIndex,
        ]);
        return { rollouts: page.map(packSummary), nextPageToken };
      }),

    getRollout: ({ runId, rolloutId }, { signal }) =>
      spoken(async () => {
        const recipe = parseRecipe((await coordinator.get(runId)).recipe);
        const found = await store.rollouts.get(runId, rolloutId);
        if (found === undefined) {
          throw notFound('rollout', rolloutId, `ListRollouts names those of run ${runId}`);
        }
        const { brief, rollout, lesson } = found;
        const players = await meetPlayers(rooms, partiesOf(recipe), { patienceMs: 0, signal });
        return {
          summary: packSummary(brief),
          ...(await inspectRollout(players, recipe, rollout, lesson)),
          outcome: rollout.outcome,
          demonstrationRolloutId: lesson.demonstrationRolloutId,
          teacherFeedback: lesson.teacherFeedback,
        };
      }),

    evaluate: (request, { signal }) => spokenStream(() => evaluate(rooms, request, signal)),

    discover: (request, { signal }) => spokenStream(() => discover(coordinator, request, signal)),

    probe: (request, { signal }) => spokenStream(() => probeTasks(rooms, request, signal)),
  };
}

const DEFAULT_PAGE = 50;
const LARGEST_PAGE = 1000;

const pageLimit = (asked: number): number => (asked === 0 ? DEFAULT_PAGE : Math.min(asked, LARGEST_PAGE));

/** The token of the next page when more was found than a page holds. */
function tokenAfter<T>(
  found: readonly T[],
  limit: number,
  place: (last: T) => readonly (string | number)[],
): string {
  const last = found[limit - 1];
  return found.length > limit && last !== undefined ? formatPageToken(place(last)) : '';
}
