import { packMicroBatches } from '@backsight/engine';
import type { Model } from '../transformer/model.js';
import { nextTokens } from '../transformer/next-token.js';
import { promptCacheNames, prompts } from '../transformer/prompt-graph.js';
import { floatTensor, idTensor, int32Tensor, type Feeds } from '../session.js';
import { KeyValueCache } from './key-value-cache.js';
import type { Sample } from './request.js';

/** A prompt that was read: what completions of it attend to. */
export interface ReadPrompt {
  readonly ids: readonly number[];
  /** Of the first completion token, at the temperature of its request. Shape [V]. */
  readonly probabilities: Float32Array;
  /** Where its keys and values lie in the cache. */
  row: number;
  /** Completions that read it there now. */
  readers: number;
}

/**
 * Prompts that were read once for their completions. They are rows 0 to n - 1 of a cache of their own.
 *
 * A row serves few readers: a large group has copies of its prompt, so that the seats of decoding, as many for every prompt,
 * do not stay empty where groups differ in size.
 */
export class PromptCache {
  readonly keyValues: KeyValueCache;
  private rows: ReadPrompt[] = [];

  constructor(
    private readonly model: Model,
    /** Completions of one row at a time. */
    private readonly readersPerRow = seatsPerPrompt,
  ) {
    this.keyValues = new KeyValueCache(model.config);
  }

  /** Rows in use. */
  get size(): number {
    return this.rows.length;
  }

  /** The prompt of a sample that `read` was told of. */
  find({ promptIds }: Sample): ReadPrompt {
    const found = this.rows.find(({ ids }) => ids === promptIds);
    if (found === undefined) throw new Error('The prompt was not read.');
    return found;
  }

  /** A row of the prompt with room for one reader more, who is counted. */
  open(sample: Sample): ReadPrompt {
    const read = this.find(sample);
    const { ids, probabilities } = read;
    let free = this.rows.find((row) => row.ids === ids && row.readers < this.readersPerRow);
    if (free === undefined) {
      free = { ids, probabilities, row: this.rows.length, readers: 0 };
      this.keyValues.reserve(this.rows.length + 1, this.keyValues.capacity);
      this.keyValues.copyRow(read.row, free.row, ids.length);
      this.rows.push(free);
    }
    free.readers += 1;
    return free;
  }

  /** Reads the prompts of samples that are not read yet, under a weight set. */
  async read(weights: Float32Array, samples: readonly Sample[]): Promise<void> {
    const unread = new Map(
      samples
        .filter(({ promptIds }) => this.rows.every(({ ids }) => ids !== promptIds))
        .map((sample) => [sample.promptIds, sample]),
    );
    const waiting = [...unread.values()];
    if (waiting.length === 0) return;
    const lengths = waiting.map(({ promptIds }) => promptIds.length);
    const batches = packMicroBatches(lengths, Math.min(this.model.microBatchTokens, largestRead));
    const before = this.rows.map(({ ids }) => ids.length);
    const longest = Math.max(...before, ...batches.map(({ paddedLength }) => paddedLength));
    this.keyValues.reserve(before.length + waiting.length, longest);
    this.keyValues.fit(longest, before);
    for (const { items, paddedLength } of batches)
      await this.readBatch(
        weights,
        items.flatMap((item) => waiting[item] ?? []),
        paddedLength,
      );
  }

  /** Gives up prompts that nobody reads, but for those of samples that wait. */
  forget(waiting: Iterable<Sample>): void {
    const wanted = new Set(Array.from(waiting, ({ promptIds }) => promptIds));
    for (let row = this.rows.length - 1; row >= 0; row--) {
      const prompt = this.rows[row];
      if (prompt === undefined || prompt.readers > 0 || wanted.has(prompt.ids)) continue;
      const last = this.rows.pop();
      if (last === undefined || last === prompt) continue;
      this.keyValues.copyRow(last.row, row, last.ids.length);
      last.row = row;
      this.rows[row] = last;
    }
    const longest = Math.max(0, ...this.rows.map(({ ids }) => ids.length));
    if (longest <= this.keyValues.capacity / 2)
      this.keyValues.fit(
        longest,
        this.rows.map(({ ids }) => ids.length),
      );
  }

  /** Gives up everything. */
  clear(): void {
    this.rows = [];
    this.keyValues.clear();
  }

  private async readBatch(
    weights: Float32Array,
    samples: readonly Sample[],
    paddedLength: number,
  ): Promise<void> {
    const { config } = this.model;
    const [first, count] = [this.rows.length, samples.length];
    const last = samples.map(({ promptIds }) => promptIds.length - 1);
    const ids = samples.flatMap(({ promptIds }) =>
      Array.from({ length: paddedLength }, (_, position) => promptIds[position] ?? 0),
    );
    const past: Record<string, Feeds[string]> = {};
    const present: Record<string, Feeds[string]> = {};
    for (let layer = 0; layer < config.layers; layer++) {
      const names = promptCacheNames(layer);
      const { keys, values } = this.keyValues.layer(layer, first, count);
      past[names.pastKeys] = present[names.keys] = keys;
      past[names.pastValues] = present[names.values] = values;
    }
    const session = await this.model.programs.prompts();
    const outputs = await session.run(
      {
        ...this.model.feeds(weights),
        ...past,
        [prompts.ids]: idTensor(ids, [count, paddedLength]),
        [prompts.rows]: idTensor(
          last.map((position, row) => row * paddedLength + position),
          [count],
        ),
        [prompts.lastPositions]: int32Tensor(last, [count]),
        [prompts.longest]: int32Tensor([paddedLength], [1]),
        [nextTokens.inverseTemperatures]: inverseTemperatures(samples),
      },
      present,
    );
    const probabilities = outputs.floats(nextTokens.probabilities);
    const width = config.vocabularySize;
    samples.forEach(({ promptIds }, i) => {
      this.rows.push({
        ids: promptIds,
        probabilities: probabilities.slice(i * width, (i + 1) * width),
        row: first + i,
        readers: 0,
      });
    });
  }
}

/** What each sample's logits are multiplied by. Shape [N, 1]. */
export function inverseTemperatures(samples: readonly Sample[]): Feeds[string] {
  const inverse = samples.map(({ request }) => request.inverseTemperature);
  return floatTensor(Float32Array.from(inverse), [samples.length, 1]);
}

/** Beyond this a prompt has a copy. */
const seatsPerPrompt = 8;
/** Padded tokens that are read at a time: more gain no speed, and take memory. */
const largestRead = 1024;
