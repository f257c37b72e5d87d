/** The edge of Evaluate: checks the request, plays, and tells how far it is until the result is there. */
import type { EvaluateRequest, EvaluateResponse } from '@backsight/contract/coordinator';
import { invalidArgument, parseAddress, type Violation } from '@backsight/rpc';
import { MOST_SAMPLES } from './recipe/schema.js';
import type { Rooms } from './rooms/rooms.js';
import { evaluateSplit } from './run/evaluate.js';
import { meetPlayers } from './run/players.js';

/** A caller waits: a room may be away for this long, in milliseconds. */
const PATIENCE_MS = 60_000;

/** Yields progress, then the result. Throws the failures of the rooms. */
export async function* evaluate(
  rooms: Rooms,
  request: EvaluateRequest,
  callerSignal: AbortSignal,
): AsyncGenerator<EvaluateResponse, void, void> {
  const violations = violationsOf(request);
  if (violations.length > 0) throw invalidArgument(violations);
  const scope = new AbortController();
  const signal = AbortSignal.any([callerSignal, scope.signal]);
  const startedAt = performance.now();
  try {
    const players = await meetPlayers(
      rooms,
      {
        policyAddress: request.policyAddress,
        environmentAddress: request.environmentAddress,
        templateArguments: {},
      },
      { patienceMs: PATIENCE_MS, signal },
    );
    const progress = new LatestProgress();
    let version = players.policyCard.version;
    const work = evaluateSplit(players, {
      split: request.split,
      samplesPerTask: request.samplesPerTask,
      sampling: { temperature: request.temperature, topP: request.topP ?? 1, maxTokens: request.maxTokens },
      seed: request.seed,
      checkVersion: (found) => {
        version = found;
      },
      onProgress: (done, total) => {
        progress.set(done, total);
      },
    });
    yield* progress.until(work);
    const { passRate, reward, tasks, samples } = await work;
    const seconds = (performance.now() - startedAt) / 1000;
    const duration = { seconds: Math.floor(seconds), nanos: Math.floor((seconds % 1) * 1e9) };
    yield {
      done: samples,
      total: samples,
      result: { passRate, reward, tasks: [...tasks], policyVersion: version, duration },
    };
  } finally {
    scope.abort();
  }
}

function violationsOf(request: EvaluateRequest): readonly Violation[] {
  const { split, samplesPerTask, temperature, topP = 1, maxTokens } = request;
  const rules: readonly (readonly [field: string, holds: boolean, description: string])[] = [
    ['policy_address', isAddress(request.policyAddress), 'must be an address host:port'],
    ['environment_address', isAddress(request.environmentAddress), 'must be an address host:port'],
    ['split', split !== '', 'must be the name of a split'],
    [
      'samples_per_task',
      samplesPerTask >= 1 && samplesPerTask <= MOST_SAMPLES,
      `must be at least 1 and at most ${MOST_SAMPLES}`,
    ],
    ['temperature', temperature >= 0 && Number.isFinite(temperature), 'must be a number at least 0'],
    ['top_p', topP > 0 && topP <= 1, 'must be a number above 0 and at most 1'],
    ['max_tokens', maxTokens >= 1, 'must be at least 1'],
  ];
  return rules.filter(([, holds]) => !holds).map(([field, , description]) => ({ field, description }));
}

function isAddress(address: string): boolean {
  try {
    parseAddress(address);
    return true;
  } catch {
    return false;
  }
}

/** The latest progress, for a caller who may be slower than the work. */
class LatestProgress {
  #latest = { done: 0, total: 0 };
  #told = this.#latest;
  #wake: () => void = () => undefined;

  set(done: number, total: number): void {
    this.#latest = { done, total };
    this.#wake();
  }

  /** Yields progress until the work ends, well or not. */
  async *until(work: Promise<unknown>): AsyncGenerator<EvaluateResponse, void, void> {
    const ended = work.then(
      () => true,
      () => true,
    );
    for (;;) {
      const changed = new Promise<false>((resolve) => {
        this.#wake = () => {
          resolve(false);
        };
      });
      if (this.#told !== this.#latest) {
        this.#told = this.#latest;
        yield { ...this.#told, result: undefined };
      } else if (await Promise.race([ended, changed])) return;
    }
  }
}
