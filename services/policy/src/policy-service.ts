/** The edge of the room: unpack, call the engine, pack. */
import { setTimeout as delay } from 'node:timers/promises';
import { DataType, ExportLayout, type PolicyServiceImplementation } from '@backsight/contract/policy';
import { checkpointNameViolation, initialCheckpoint, type Engine, type ModelTexts } from '@backsight/engine';
import { failedPrecondition, invalidArgument, type CallIdentity } from '@backsight/rpc';
import { Admission, type Admissions } from './admission.js';
import { failureOf } from './engine-failure.js';
import { packCheckpoint, packCompletion, packDescription, packReport } from './pack-responses.js';
import type { PolicyMetrics } from './policy-metrics.js';
import { readTransaction } from './read-transaction.js';
import { numberViolations } from './violations.js';
import { unpackGenerate, unpackScore } from './unpack-requests.js';
import type { Follower } from './weights/follower.js';
import { packWeights } from './weights/pack-weights.js';
import type { SentType } from './weights/snapshot.js';
import type { WeightSource } from './weights/weight-source.js';

/** What the service stands on. */
export interface PolicyServiceOptions {
  readonly engine: Engine;
  readonly texts: ModelTexts;
  readonly metrics: PolicyMetrics;
  /** Examples accepted in one TrainStep. */
  readonly maxExamples: number;
  readonly admissions: Admissions;
  /** The weights for those who follow this policy. */
  readonly source: WeightSource;
  /** The trainer whose weights this policy follows; absent: it trains its own. */
  readonly follower: (Pick<Follower, 'requireWeights'> & { readonly trainer: string }) | undefined;
}

/** Training transactions being streamed, waiting or trained; the engine takes one at a time. */
const maxTransactions = 4;

const noTexts = { tokenizerJson: '', chatTemplate: '', tokenizerConfigJson: '' };

/** Weights being streamed to followers. */
const maxPulls = 32;

/** Implements PolicyService over an engine. */
export function policyService(options: PolicyServiceOptions): PolicyServiceImplementation<CallIdentity> {
  const { engine, texts, metrics, source, follower, maxExamples } = options;
  const { completions, scoreCalls } = options.admissions;
  const transactions = new Admission('training transactions', maxTransactions, 2000);
  const pulls = new Admission('pulls of weights', maxPulls, 500);
  const requireTrainer = () => {
    if (follower === undefined) return;
    const where = `send this call to the trainer at ${follower.trainer}, whose weights this policy follows`;
    throw failedPrecondition('policy', `samples only; ${where}`);
  };
  const requireWeights = () => {
    try {
      follower?.requireWeights();
    } catch (error) {
      throw failureOf(error);
    }
  };

  return {
    describe: ({ brief }) => {
      const trains = follower === undefined;
      const { weightsId } = source;
      return Promise.resolve({
        ...packDescription(engine, brief ? { ...texts, ...noTexts } : texts, maxExamples, trains),
        weightsId,
      });
    },

    async *generate(message, { signal }) {
      const request = unpackGenerate(message, engine.card);
      requireWeights();
      const leave = enter(completions, request.prompts.length * request.groupSize);
      try {
        for await (const completion of engine.generate(request, signal)) {
          metrics.sampled(completion.tokenIds.length, completion.finishReason);
          yield { completion: packCompletion(completion) };
        }
      } catch (error) {
        throw failureOf(error);
      } finally {
        leave();
      }
    },

    async score(message, { signal }) {
      const request = unpackScore(message, engine.card);
      if (request.weights === 'teacher') requireTrainer();
      requireWeights();
      const leave = enter(scoreCalls);
      try {
        const scores = await engine.score(request, signal);
        return { scores, policyVersion: engine.version };
      } catch (error) {
        throw failureOf(error);
      } finally {
        leave();
      }
    },

    async trainStep(requests, { signal, logger }) {
      requireTrainer();
      const leave = enter(transactions);
      try {
        const { plan, examples, runId, step } = await readTransaction(
          requests,
          engine.card,
          maxExamples,
          () => notGivenUp(signal),
        );
        signal.throwIfAborted();
        const report = await engine.trainStep(plan, examples, signal);
        source.changed();
        metrics.trained(report);
        logger.info({ runId, step, version: report.version, seconds: report.seconds }, 'training step taken');
        return packReport(report);
      } catch (error) {
        throw failureOf(error);
      } finally {
        leave();
      }
    },

    async saveCheckpoint({ name, score }, { logger }) {
      requireTrainer();
      requireName(name);
      const violations = numberViolations('score', score, {});
      if (violations.length > 0) throw invalidArgument(violations);
      const checkpoint = await orFailure(engine.saveCheckpoint(name, score), name);
      logger.info({ checkpoint }, 'checkpoint saved');
      return { checkpoint: packCheckpoint(checkpoint) };
    },

    async restoreCheckpoint({ name }, { logger }) {
      requireTrainer();
      if (name !== initialCheckpoint) requireName(name);
      const checkpoint = await orFailure(engine.restoreCheckpoint(name), name);
      source.changed();
      metrics.versionIs(engine.version);
      logger.info({ checkpoint }, 'checkpoint restored');
      return { checkpoint: packCheckpoint(checkpoint) };
    },

    async listCheckpoints() {
      if (follower !== undefined) return { checkpoints: [] };
      return { checkpoints: (await orFailure(engine.listCheckpoints())).map(packCheckpoint) };
    },

    async exportCheckpoint({ name, layout }, { logger }) {
      requireName(name);
      requireWeights();
      const { version } = engine;
      const path = await orFailure(
        engine.exportCheckpoint(name, layout === ExportLayout.PEFT ? 'peft' : 'hugging-face'),
        name,
      );
      logger.info({ path, version }, 'weights exported');
      return { path, version };
    },

    async *pullWeights({ baseVersion, baseChecksum, dtype }, { signal }) {
      requireWeights();
      const type = unpackType(dtype);
      const leave = enter(pulls);
      try {
        const snapshot = await source.current(type);
        const base =
          baseVersion === undefined ? undefined : await source.base(type, baseVersion, baseChecksum);
        if (baseVersion !== undefined && base === undefined)
          throw failedPrecondition(
            'base_version',
            `${baseVersion} of that checksum is not kept; ask for the whole`,
          );
        for (const message of packWeights(snapshot, base, snapshot.weightsId)) {
          signal.throwIfAborted();
          yield message;
        }
      } finally {
        leave();
      }
    },
  };
}

function enter(admission: Admission, amount?: number): () => void {
  try {
    return admission.enter(amount);
  } catch (error) {
    throw failureOf(error);
  }
}

async function orFailure<T>(work: Promise<T>, name?: string): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw failureOf(error, name);
  }
}

function unpackType(dtype: DataType): SentType {
  switch (dtype) {
    case DataType.UNSPECIFIED:
    case DataType.FLOAT32:
      return 'float32';
    case DataType.BFLOAT16:
      return 'bfloat16';
    case DataType.FLOAT16:
      throw invalidArgument([{ field: 'dtype', description: 'must be float32 or bfloat16' }]);
  }
}

function requireName(name: string): void {
  const description = checkpointNameViolation(name);
  if (description !== undefined) throw invalidArgument([{ field: 'name', description }]);
}

/**
 * Waits a moment after a stream that ended without a commit, and throws if its caller turns out to have cancelled.
 *
 * A Node.js caller that cancels, or vanishes, ends its stream just as one that closes it does, and resets it a moment later: up
 * to 10 ms were seen between the two on one machine, more on a loaded one. For a caller whose plan commits, this tells a
 * cancelled call from a wrong one, and nothing is trained either way. For a caller of before there was a commit it is the only
 * guard: a reset that comes later still stops a step in progress, and comes too late for one that is done.
 */
async function notGivenUp(signal: AbortSignal): Promise<void> {
  await delay(settleMs, undefined, { signal }).catch(() => undefined);
  signal.throwIfAborted();
}

const settleMs = 30;
