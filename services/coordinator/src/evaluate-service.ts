/** The edge of Evaluate: checks the request, plays, and tells how far it is until the result is there. */
import type { EvaluateRequest, EvaluateResponse } from '@backsight/contract/coordinator';
import { invalidArgument, parseAddress, type Violation } from '@backsight/rpc';
import { MOST_SAMPLES } from './recipe/schema.js';
import { LatestProgress } from './latest-progress.js';
import type { Rooms } from './rooms/rooms.js';
import { evaluateSplit } from './run/evaluate.js';
import { meetPlayers } from './run/players.js';

/** A caller waits: a room that was there may go away for this long, in milliseconds; one that never was is told at once. */
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
    const { policyAddress, environmentAddress } = request;
    const parties = { policyAddress, environmentAddress, templateArguments: {} };
    const met = await meetPlayers(rooms, parties, { patienceMs: 0, signal });
    const players = { ...met, patience: { patienceMs: PATIENCE_MS, signal } };
    const progress = new LatestProgress();
    let version = players.policyCard.version;
    const work = evaluateSplit(players, {
      split: request.split,
      samplesPerTask: request.samplesPerTask,
      sampling: { temperature: request.temperature, topP: request.topP ?? 1, maxTokens: request.maxTokens },
      seed: request.seed,
      oldestVersion: 0,
      checkVersion: (found) => {
        version = found;
      },
      onProgress: (done, total) => {
        progress.set(done, total);
      },
    });
    for await (const advance of progress.until(work)) yield { ...advance, result: undefined };
    const { passRate, reward, tasks, samples, figures } = await work;
    const seconds = (performance.now() - startedAt) / 1000;
    const duration = { seconds: Math.floor(seconds), nanos: Math.floor((seconds % 1) * 1e9) };
    yield {
      done: samples,
      total: samples,
      result: { passRate, reward, tasks: [...tasks], policyVersion: version, duration, figures },
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
