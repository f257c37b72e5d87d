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
  UnsupportedError,
  WeightSet,
  writeModelFolder,
  writePeftFolder,
  type CheckpointInfo,
  type CheckpointStore,
  type ExportLayout,
  type LoadedModel,
  type Retention,
  type StatePart,
} from '@backsight/engine';
import type { PolicyWeights } from './training/policy-weights.js';

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
    const { version, student, factors, teacher, optimizer } = this.policy.state();
    const moments = optimizer && {
      firstMoment: this.trainedSet(optimizer.firstMoment),
      secondMoment: this.trainedSet(optimizer.secondMoment),
    };
    const state = {
      version,
      optimizerSteps: optimizer?.steps ?? 0,
      weights: student,
      ...(teacher && { teacher }),
      ...moments,
      ...(factors && { adapter: factors }),
      extra: { [initialKey]: await this.initialChecksum() },
    };
    const saved = await this.store.save(name, state, score);
    await this.store.retain(this.retention);
    return saved;
  }

  /** Reads the whole state before any of it is taken over. */
  async restore(name: string): Promise<CheckpointInfo> {
    if (name === initialCheckpoint) {
      this.policy.restore(this.policy.initialState());
      return this.initial();
    }
    const info = await this.store.describe(name);
    await this.requireSameKind(name);
    const { student, trained } = this.policy;
    const state = await this.store.load(name, (part) =>
      ofTrained.has(part) ? trained.table : student.table,
    );
    await this.requireSameInitial(name, state.extra[initialKey]);
    const { firstMoment, secondMoment, optimizerSteps: steps } = state;
    if ((firstMoment === undefined) !== (secondMoment === undefined))
      throw this.wrong(name, 'holds one of two optimizer moments');
    this.policy.restore({
      version: state.version,
      student: state.weights,
      factors: state.adapter,
      teacher: state.teacher,
      optimizer:
        firstMoment &&
        secondMoment &&
        new AdamW(trained.flat.length, {
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

  /** Writes the student, an adapter merged in, as a Hugging Face folder, or its adapter in PEFT layout; returns the folder. */
  async export(name: string, layout: ExportLayout): Promise<string> {
    const description = checkpointNameViolation(name);
    if (description !== undefined) throw new EngineInputError([{ field: 'name', description }]);
    const folder = join(this.store.folder, 'exports', name);
    const { config, texts } = this.loaded;
    const { adapter } = this.policy;
    if (layout === 'peft') {
      if (adapter === undefined)
        throw new UnsupportedError('PEFT_EXPORT', 'The policy trains no adapter that could be exported.');
      await writePeftFolder(folder, adapter, this.loaded.name);
      return folder;
    }
    await writeModelFolder(folder, { config, weights: this.policy.student, files: texts.files });
    return folder;
  }

  /** An adapter's checkpoint is for a policy that trains one, any other for a policy that trains all weights. */
  private async requireSameKind(name: string): Promise<void> {
    const holds = (await this.store.parts(name)).has('adapter');
    if (holds === (this.policy.adapter !== undefined)) return;
    const problem = holds
      ? 'holds an adapter and its optimizer, and this policy trains all weights; start it with an adapter of that kind'
      : 'holds no adapter, and this policy trains one; start it without';
    throw this.wrong(name, problem);
  }

  /** A frozen teacher and a trust region go by the initial weights, and an EMA teacher begins at them: they are part of the state. */
  private async requireSameInitial(name: string, saved: unknown): Promise<void> {
    if (typeof saved !== 'string' || saved === (await this.initialChecksum())) return;
    const began = `was saved by a policy that began with other weights than ${this.loaded.name}`;
    throw this.wrong(name, `${began}; start it with that model`);
  }

  private wrong(name: string, problem: string): CheckpointError {
    return new CheckpointError({ reason: 'invalid', file: join(this.store.folder, `${name}.json`), problem });
  }

  private initialChecksum(): Promise<string> {
    this.checksum ??= checksumOf(this.policy.initial);
    return this.checksum;
  }

  private initial(): CheckpointInfo {
    const sizeBytes = this.loaded.weights.flat.byteLength;
    return { name: initialCheckpoint, version: 0, sizeBytes, createdAtMs: this.startedAtMs };
  }

  private trainedSet(flat: Float32Array): WeightSet {
    return new WeightSet(this.policy.trained.table, flat);
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

/** The parts of a state that have the shape of what is trained. */
const ofTrained = new Set<StatePart>(['adapter', 'firstMoment', 'secondMoment']);
