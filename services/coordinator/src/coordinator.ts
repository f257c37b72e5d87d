/** The coordinator: runs, one at a time per policy, that go on where they were when it last stopped. */
import { type RunEvent, RunState } from '@backsight/contract/coordinator';
import { describeError, type Logger } from '@backsight/rpc';
import { randomUUID } from 'node:crypto';
import { missingToTrain } from './checks.js';
import { followerCards } from './follower-cards.js';
import type { KnownFollowers } from './follower-setting.js';
import type { CoordinatorMetrics } from './coordinator-metrics.js';
import { forkPoint } from './fork-point.js';
import { amendRecipe, formatRecipe, parseRecipe, type Recipe } from './recipe/recipe.js';
import { deadlines, type Rooms } from './rooms/rooms.js';
import { conduct } from './run/conduct.js';
import { openRun, type Phase } from './run/open-run.js';
import { playStep } from './run/play-step.js';
import { meetPlayers, partiesOf, taskIdsOf } from './run/players.js';
import { NoSuchRunError, PreconditionError } from './run-errors.js';
import type { RunOrigin, RunRecord } from './store/run-record.js';
import type { Store } from './store/store.js';
import type { Watchers } from './watchers.js';

/** What a coordinator is made of. */
export interface CoordinatorParts {
  readonly store: Store;
  readonly rooms: Rooms;
  readonly watchers: Watchers;
  readonly logger: Logger;
  readonly metrics: CoordinatorMetrics;
  /** How long a run bears with a room that is away, in milliseconds. */
  readonly patienceMs: number;
  /** Followers of policies, for recipes that name none. */
  readonly followers: KnownFollowers;
}

/** How a run is interrupted. */
type Interruption = 'stop' | 'shutdown';

/** A run under way. */
interface ActiveRun {
  readonly runId: string;
  readonly controller: AbortController;
  /** Resolves when nothing of it runs any more. */
  readonly ended: Promise<void>;
  interruption: Interruption | undefined;
  pause: boolean;
}

const { PENDING, RUNNING, PAUSED, SUCCEEDED, FAILED, STOPPED } = RunState;

export class Coordinator {
  readonly #parts: CoordinatorParts;
  /** By policy address. */
  readonly #active = new Map<string, ActiveRun>();
  #closing = false;
  #break: (error: unknown) => void = () => undefined;
  /** Rejects when the books cannot be kept any more: what runs must not go on then. */
  readonly broken: Promise<never>;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
    this.broken = new Promise<never>((_, reject) => {
      this.#break = (error) => {
        this.#closing = true;
        reject(error instanceof Error ? error : new Error(describeError(error)));
      };
    });
    // Whoever watches is told; nobody needs to.
    this.broken.catch(() => undefined);
  }

  get store(): Store {
    return this.#parts.store;
  }

  /** Goes on with what the last process left: runs that were under way, and those that wait. */
  async start(): Promise<void> {
    for (const run of await this.store.runs.inStates([RUNNING])) {
      if (run.intent === 'pause') await this.store.runs.changeState(run.runId, [RUNNING], PAUSED);
    }
    await this.#startWaiting();
  }

  /** Checks a recipe against itself and against the rooms. Throws RecipeError, PreconditionError or the rooms' failures. */
  async check(recipeYaml: string, signal: AbortSignal): Promise<Recipe> {
    const recipe = this.#withFollowers(parseRecipe(recipeYaml));
    const { rooms } = this.#parts;
    // A caller waits for the answer: no patience with a room that is away.
    const players = await meetPlayers(rooms, partiesOf(recipe), { patienceMs: 0, signal });
    const followers = (recipe.policy.followers ?? []).map((address) => rooms.policy(address));
    const { checkpoints } = await players.policy.client.listCheckpoints(
      {},
      { signal, deadlineMs: deadlines.describe },
    );
    const missing = missingToTrain(recipe, {
      policy: players.policyCard,
      environment: players.environmentCard,
      checkpoints: checkpoints.map(({ name }) => name),
      followers: await followerCards(followers, signal),
    });
    if (missing.length > 0) throw new PreconditionError('recipe', missing.join('; '));
    if (recipe.environment.task !== undefined) await taskIdsOf(players, recipe);
    return recipe;
  }

  /** Starts a run of a checked recipe, or returns the one that the same key started before; an empty key is none. */
  async create(recipe: Recipe, idempotencyKey: string, origin?: RunOrigin): Promise<RunRecord> {
    const yaml = formatRecipe(recipe);
    const { run, created } = await this.store.runs.create({
      runId: newRunId(recipe.name),
      name: recipe.name,
      recipe: yaml,
      policyAddress: recipe.policy.address,
      totalSteps: recipe.steps,
      idempotencyKey: idempotencyKey === '' ? undefined : idempotencyKey,
      origin,
    });
    if (!created && run.recipe !== yaml) {
      throw new PreconditionError('idempotency_key', `started run ${run.runId} with another recipe`);
    }
    await this.#startWaiting();
    return run;
  }

  /**
   * Starts a run that goes on from a step of another, with changes to its recipe. Steps are counted on from there, so that a
   * fork without changes repeats what the other run went on to do.
   */
  async fork(runId: string, step: number, changes: string, signal: AbortSignal): Promise<RunRecord> {
    const run = await this.get(runId);
    const recipe = await this.check(amendRecipe(run.recipe, changes), signal);
    const policy = this.#parts.rooms.policy(recipe.policy.address);
    const options = { signal, deadlineMs: deadlines.describe };
    const { checkpoints } = await policy.client.listCheckpoints({}, options);
    const kept = await this.store.journal.checkpointed(runId);
    return this.create(recipe, '', forkPoint({ run, kept, checkpoints }, step, recipe));
  }

  async get(runId: string): Promise<RunRecord> {
    const run = await this.store.runs.get(runId);
    if (run === undefined) throw new NoSuchRunError(runId);
    return run;
  }

  /** Pauses after the step under way. */
  async pause(runId: string): Promise<RunRecord> {
    const { state } = await this.get(runId);
    const active = this.#activeRun(runId);
    if (state !== RUNNING || active === undefined) {
      throw new PreconditionError(`run ${runId}`, `is ${spoken(state)}, not under way`);
    }
    await this.store.runs.setIntent(runId, 'pause');
    active.pause = true;
    return this.get(runId);
  }

  /** Goes on with a paused or failed run, once its policy is free. */
  async resume(runId: string): Promise<RunRecord> {
    const { state } = await this.get(runId);
    if (!(await this.store.runs.changeState(runId, [PAUSED, FAILED], PENDING))) {
      throw new PreconditionError(`run ${runId}`, `is ${spoken(state)}, neither paused nor failed`);
    }
    await this.#startWaiting();
    return this.get(runId);
  }

  /** Ends a run for good; a step under way is given up. */
  async stop(runId: string): Promise<RunRecord> {
    await this.get(runId); // throws where there is none
    const active = this.#activeRun(runId);
    if (active !== undefined) {
      active.interruption ??= 'stop';
      active.controller.abort();
      await active.ended;
    }
    const stopped = await this.store.runs.changeState(runId, [PENDING, PAUSED, FAILED], STOPPED);
    const run = await this.get(runId);
    if (stopped || (active !== undefined && run.state === STOPPED)) return run;
    throw new PreconditionError(`run ${runId}`, 'has ended already');
  }

  /** Events of a run after a sequence number, then new ones until it ends. */
  async watch(runId: string, afterSequence: number, signal: AbortSignal): Promise<AsyncIterable<RunEvent>> {
    await this.get(runId);
    const read = (id: string, sequence: number) => this.store.events(id, sequence);
    return this.#parts.watchers.watch(runId, afterSequence, read, signal);
  }

  /** Gives up what is under way; runs stay as they are and go on when a coordinator starts on this store. */
  async close(): Promise<void> {
    this.#closing = true;
    const active = [...this.#active.values()];
    for (const run of active) {
      run.interruption ??= 'shutdown';
      run.controller.abort();
    }
    await Promise.all(active.map(({ ended }) => ended));
  }

  /** The recipe with the followers that its policy is known to have, unless it says which. */
  #withFollowers(recipe: Recipe): Recipe {
    const known = this.#parts.followers.get(recipe.policy.address);
    if (recipe.policy.followers !== undefined || known === undefined) return recipe;
    return { ...recipe, policy: { ...recipe.policy, followers: [...known] } };
  }

  #activeRun(runId: string): ActiveRun | undefined {
    return [...this.#active.values()].find((active) => active.runId === runId);
  }

  /** Starts the oldest waiting run of every policy that is free. */
  async #startWaiting(): Promise<void> {
    if (this.#closing) return;
    // Those that were under way when the last process ended come before those that never began.
    const waiting = [
      ...(await this.store.runs.inStates([RUNNING])),
      ...(await this.store.runs.inStates([PENDING])),
    ];
    for (const run of waiting) {
      if (this.#active.has(run.policyAddress)) continue;
      const controller = new AbortController();
      // The map has the run before it begins.
      const ended = Promise.resolve().then(() => this.#conduct(run));
      this.#active.set(run.policyAddress, {
        runId: run.runId,
        controller,
        interruption: undefined,
        pause: false,
        ended,
      });
    }
  }

  async #conduct({ runId, recipe, policyAddress }: RunRecord): Promise<void> {
    const active = this.#active.get(policyAddress);
    if (active === undefined) return;
    const logger = this.#parts.logger.child({ runId });
    try {
      await this.store.runs.changeState(runId, [PENDING], RUNNING);
      // Between being seen waiting and this moment it may have been stopped.
      if ((await this.get(runId)).state === RUNNING) {
        const ending = await this.#attempt(active, parseRecipe(recipe), logger);
        await this.store.runs.changeState(runId, [RUNNING], ending === 'paused' ? PAUSED : SUCCEEDED);
        logger.info({ ending }, 'run ended');
      }
    } catch (error) {
      await this.#interrupted(active, error, logger).catch(this.#break);
    } finally {
      this.#active.delete(policyAddress);
      await this.#startWaiting().catch(this.#break);
    }
  }

  /** A run that ends with an error: stopped, shut down with the coordinator, or failed. */
  async #interrupted({ runId, interruption }: ActiveRun, error: unknown, logger: Logger): Promise<void> {
    switch (interruption) {
      case 'shutdown':
        return;
      case 'stop':
        await this.store.runs.changeState(runId, [PENDING, RUNNING], STOPPED);
        return;
      case undefined:
        logger.error({ err: error }, 'run failed');
        await this.store.runs.changeState(runId, [PENDING, RUNNING], FAILED, describeError(error));
    }
  }

  async #attempt(active: ActiveRun, recipe: Recipe, logger: Logger) {
    const { store, rooms, watchers, metrics, patienceMs } = this.#parts;
    const { runId } = active;
    const run = await openRun(runId, recipe, {
      store,
      rooms,
      logger,
      patience: {
        patienceMs,
        signal: active.controller.signal,
        onWait: (reason, waitMs) => {
          metrics.waited();
          logger.warn({ reason, waitMs: Math.round(waitMs) }, 'waiting for a room');
        },
      },
      play: playStep,
      progress: (phase: Phase, step, done, total) => {
        const value = { phase, step, done, total };
        watchers.progress(runId, { sequence: 0, atMs: Date.now(), kind: { $case: 'phaseProgress', value } });
      },
    });
    return conduct(run, () => active.pause);
  }
}

/** A readable name, unique: it also begins the names of the run's checkpoints. */
function newRunId(name: string): string {
  const slug = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 40);
  return `${slug === '' ? 'run' : slug}-${randomUUID().slice(0, 8)}`;
}

const spoken = (state: RunState): string => state.replace('RUN_STATE_', '').toLowerCase();
