import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import {
  AdamW,
  bytesOf,
  CheckpointError,
  checkpointNameViolation,
  EngineInputError,
  initialCheckpoint,
  modelTensors,
  WeightSet,
  writeModelFolder,
  type CheckpointInfo,
  type CheckpointStore,
  type LoadedModel,
  type Retention,
} from '@backsight/engine';
import type { PolicyWeights, Snapshot } from './training/policy-weights.js';

/** Saves, restores and exports a policy; the caller sees to it that nobody else writes the weights meanwhile. */
export class Checkpoints {
  private readonly startedAtMs = Date.now();
  private checksum: Promise<string> | undefined;

  constructor(
    private readonly store: CheckpointStore,
    private readonly loaded: LoadedModel,
    private readonly policy: PolicyWeights,
    private readonly retention: Retention = {},
  ) {}

  /** Draws are a function of seed, prompt, sample and position, so that a sampler has no state to save. */
  async save(name: string, score?: number): Promise<CheckpointInfo> {
    const { version, student, teacher, optimizer } = this.policy.state();
    const moments = optimizer && {
      firstMoment: this.weightSet(optimizer.firstMoment),
      secondMoment: this.weightSet(optimizer.secondMoment),
    };
    const state = {
      version,
      optimizerSteps: optimizer?.steps ?? 0,
      weights: student,
      ...(teacher && { teacher }),
      ...moments,
      extra: { [initialKey]: await this.initialChecksum() },
    };
    const saved = await this.store.save(name, state, score);
    await this.store.retain(this.retention);
    return saved;
  }

  /** Reads the whole state before any of it is taken over. */
  async restore(name: string): Promise<CheckpointInfo> {
    if (name === initialCheckpoint) {
      this.policy.restore(freshState(this.loaded.weights));
      return this.initial();
    }
    const info = await this.store.describe(name);
    const state = await this.store.load(name, modelTensors(this.loaded.config));
    await this.requireSameInitial(name, state.extra[initialKey]);
    const { firstMoment, secondMoment, optimizerSteps: steps } = state;
    if ((firstMoment === undefined) !== (secondMoment === undefined))
      throw new CheckpointError({
        reason: 'invalid',
        file: name,
        problem: 'holds one of two optimizer moments',
      });
    this.policy.restore({
      version: state.version,
      student: state.weights,
      teacher: state.teacher,
      optimizer:
        firstMoment &&
        secondMoment &&
        new AdamW(state.weights.flat.length, {
          firstMoment: firstMoment.flat,
          secondMoment: secondMoment.flat,
          steps,
        }),
    });
    return info;
  }

  async list(): Promise<readonly CheckpointInfo[]> {
    return [...(await this.store.list()), this.initial()];
  }

  /** Writes the student as a Hugging Face folder with the model's own texts, and returns its path. */
  async export(name: string): Promise<string> {
    const description = checkpointNameViolation(name);
    if (description !== undefined) throw new EngineInputError([{ field: 'name', description }]);
    const folder = join(this.store.folder, 'exports', name);
    const { config, texts } = this.loaded;
    await writeModelFolder(folder, { config, weights: this.policy.student, files: texts.files });
    return folder;
  }

  /** A frozen teacher and a trust region go by the initial weights, and an EMA teacher begins at them: they are part of the state. */
  private async requireSameInitial(name: string, saved: unknown): Promise<void> {
    if (typeof saved !== 'string' || saved === (await this.initialChecksum())) return;
    throw new CheckpointError({
      reason: 'invalid',
      file: name,
      problem: `was saved by a policy that began with other weights than ${this.loaded.name}; start it with that model`,
    });
  }

  private initialChecksum(): Promise<string> {
    this.checksum ??= checksumOf(this.loaded.weights);
    return this.checksum;
  }

  private initial(): CheckpointInfo {
    const sizeBytes = this.loaded.weights.flat.byteLength;
    return { name: initialCheckpoint, version: 0, sizeBytes, createdAtMs: this.startedAtMs };
  }

  private weightSet(flat: Float32Array): WeightSet {
    return new WeightSet(this.loaded.weights.table, flat);
  }
}

/** Key of the checksum of the weights a policy began with. */
const initialKey = 'initialSha256';

/** SHA-256 of all weights, taken in pieces so that others have the thread between them. */
async function checksumOf({ flat }: WeightSet): Promise<string> {
  const hash = createHash('sha256');
  for (let begin = 0; begin < flat.length; begin += pieceElements) {
    hash.update(bytesOf(flat.subarray(begin, begin + pieceElements)));
    await setImmediate();
  }
  return hash.digest('hex');
}

const pieceElements = 2 ** 22;

function freshState(initial: WeightSet): Snapshot {
  return { version: 0, student: initial, teacher: undefined, optimizer: undefined };
}
