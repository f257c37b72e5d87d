import { decoding } from '../transformer/decoding-graph.js';
import type { Model } from '../transformer/model.js';
import { idTensor, int32Tensor } from '../session.js';
import { KeyValueCache } from './key-value-cache.js';
import { readPrompts, type ReadPrompt } from './prompt-reader.js';
import type { Sample } from './request.js';
import { Slot } from './slot.js';

/**
 * Completions that are decoded side by side, a token each per step.
 *
 * Running slots are rows 0 to n - 1 of the cache: when one ends, the last takes its row, so that no run works on empty rows.
 */
export class Decoder {
  private slots: Slot[] = [];
  private readonly cache: KeyValueCache;
  private readonly prompts = new Map<readonly number[], ReadPrompt>();

  constructor(
    private readonly model: Model,
    /** Completions at a time. */
    readonly capacity: number,
  ) {
    this.cache = new KeyValueCache(model.config, capacity, 0);
  }

  get free(): number {
    return this.capacity - this.slots.length;
  }

  get running(): number {
    return this.slots.length;
  }

  /** Starts completions, at most as many as are free, and delivers those that end with their first token. */
  async start(weights: Float32Array, version: number, samples: readonly Sample[]): Promise<void> {
    await this.read(weights, samples);
    this.reserve(Math.max(...samples.map((sample) => this.room(sample))));
    for (const sample of samples) {
      const prompt = this.prompts.get(sample.promptIds);
      if (prompt === undefined) throw new Error('The prompt was not read.');
      const slot = new Slot(sample, this.model.config.contextWindow);
      slot.draw(prompt.logits, version);
      if (deliver(slot, version)) continue;
      this.cache.copyRow(prompt.cache, prompt.row, this.slots.length, sample.promptIds.length);
      this.slots.push(slot);
    }
  }

  /** Draws one token more for every running completion, and delivers those that end. */
  async step(weights: Float32Array, version: number): Promise<void> {
    const { vocabularySize } = this.model.config;
    const count = this.slots.length;
    const lengths = this.slots.map(({ cachedLength }) => cachedLength);
    const longest = Math.max(...lengths) + 1;
    this.reserve(longest);
    const session = await this.model.programs.decoding();
    const { past, present } = this.cache.feeds(count);
    const outputs = await session.run(
      {
        ...this.model.feeds(weights),
        ...past,
        [decoding.ids]: idTensor(
          this.slots.map(({ lastToken }) => lastToken),
          [count, 1],
        ),
        [decoding.rows]: idTensor([...lengths.keys()], [count]),
        [decoding.lastPositions]: int32Tensor(lengths, [count]),
        [decoding.longest]: int32Tensor([longest], [1]),
      },
      present,
    );
    const logits = outputs.floats(decoding.logits);
    this.slots.forEach((slot, row) => {
      slot.draw(logits.subarray(row * vocabularySize, (row + 1) * vocabularySize), version);
    });
    this.removeWhere((slot) => deliver(slot, version));
  }

  /** Gives up the slots of requests that want no more. */
  dropCancelled(): void {
    this.removeWhere(({ sample }) => sample.request.cancelled);
  }

  /** Gives up everything. */
  clear(): void {
    this.slots = [];
    this.prompts.clear();
  }

  /** Forgets prompts that no waiting sample will ask for. */
  forgetPrompts(waiting: Iterable<Sample>): void {
    const wanted = new Set(Array.from(waiting, ({ promptIds }) => promptIds));
    for (const prompt of [...this.prompts.keys()]) if (!wanted.has(prompt)) this.prompts.delete(prompt);
  }

  /** Reads the prompts that are not read yet. */
  private async read(weights: Float32Array, samples: readonly Sample[]): Promise<void> {
    const unread = [...new Set(samples.map(({ promptIds }) => promptIds))].filter(
      (ids) => !this.prompts.has(ids),
    );
    const read = await readPrompts(this.model, weights, unread);
    unread.forEach((ids, i) => {
      const prompt = read[i];
      if (prompt !== undefined) this.prompts.set(ids, prompt);
    });
  }

  private removeWhere(ended: (slot: Slot) => boolean): void {
    for (let row = this.slots.length - 1; row >= 0; row--) {
      const slot = this.slots[row];
      if (slot === undefined || !ended(slot)) continue;
      const last = this.slots.pop();
      if (last === undefined || last === slot) continue;
      this.cache.copyRow(this.cache, this.slots.length, row, last.cachedLength);
      this.slots[row] = last;
    }
  }

  /** Makes every row hold at least `length` tokens; the capacity grows by half at least, so that few copies are made. */
  private reserve(length: number): void {
    if (length <= this.cache.capacity) return;
    const wanted = Math.max(length, Math.ceil(this.cache.capacity * 1.5));
    const rounded = Math.ceil(wanted / capacityStep) * capacityStep;
    this.cache.grow(
      Math.min(rounded, this.model.config.contextWindow),
      this.slots.map(({ cachedLength }) => cachedLength),
    );
  }

  /** Tokens that a completion is given room for when it starts: its own, or so many that growing later is rare. */
  private room({ request, promptIds }: Sample): number {
    const wanted = promptIds.length + Math.min(request.maxTokens, roomAtStart);
    return Math.min(wanted, this.model.config.contextWindow);
  }
}

/** Hands a completion over if it has ended. */
function deliver(slot: Slot, version: number): boolean {
  const completion = slot.completion(version);
  if (completion !== undefined) slot.sample.request.deliver(completion);
  return completion !== undefined;
}

const capacityStep = 32;
const roomAtStart = 256;
