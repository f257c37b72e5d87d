import { join } from 'node:path';
import {
  AdamW,
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
      extra: {},
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

  private initial(): CheckpointInfo {
    const sizeBytes = this.loaded.weights.flat.byteLength;
    return { name: initialCheckpoint, version: 0, sizeBytes, createdAtMs: this.startedAtMs };
  }

  private weightSet(flat: Float32Array): WeightSet {
    return new WeightSet(this.loaded.weights.table, flat);
  }
}

function freshState(initial: WeightSet): Snapshot {
  return { version: 0, student: initial, teacher: undefined, optimizer: undefined };
}
