import {
  attentionWindows,
  decoding,
  decodingCacheNames,
  decodingMask,
} from '../transformer/decoding-graph.js';
import { blockWidth } from '../transformer/draw-block.js';
import type { Model } from '../transformer/model.js';
import { nextTokens, type NextTokenPart } from '../transformer/next-token.js';
import { floatTensor, idTensor, type Feeds, type Outputs } from '../session.js';
import { KeyValueCache } from './key-value-cache.js';
import { inverseTemperatures, PromptCache, type ReadPrompt } from './prompt-cache.js';
import type { Sample } from './request.js';
import { seatRows, sightMask, type RowLengths } from './seating.js';
import { Slot } from './slot.js';

/** A completion that runs, and the prompt that it reads. */
interface Running {
  readonly slot: Slot;
  readonly prompt: ReadPrompt;
}

/**
 * Completions that are decoded side by side, a token each per step.
 *
 * They are rows 0 to n - 1 of a cache of what each wrote itself: when one ends, the last takes its row, so that no run works
 * on empty rows. What completions have in common lies in the cache of prompts.
 */
export class Decoder {
  private rows: Running[] = [];
  private readonly own: KeyValueCache;
  private readonly prompts: PromptCache;

  constructor(
    private readonly model: Model,
    /** Completions at a time. */
    readonly capacity: number,
  ) {
    this.own = new KeyValueCache(model.config);
    this.prompts = new PromptCache(model);
  }

  get free(): number {
    return this.capacity - this.rows.length;
  }

  get running(): number {
    return this.rows.length;
  }

  /** Starts completions, at most as many as are free, and delivers those that end with their first token. */
  async start(weights: Float32Array, version: number, samples: readonly Sample[]): Promise<void> {
    await this.prompts.read(weights, samples);
    if (this.rows.length === 0) this.own.fit(columnStep, []);
    const room = Math.max(...samples.map(({ request }) => Math.min(request.maxTokens, roomAtStart)));
    this.own.reserve(this.rows.length + samples.length, Math.max(room, this.own.capacity));
    for (const sample of samples) {
      const slot = new Slot(sample, this.model.config.contextWindow);
      slot.draw(this.prompts.find(sample).probabilities, version);
      if (!deliver(slot, version)) this.rows.push({ slot, prompt: this.prompts.open(sample) });
    }
  }

  /** Draws one token more for every running completion, and delivers those that end. */
  async step(weights: Float32Array, version: number): Promise<void> {
    const { programs, config } = this.model;
    const lengths = this.rows.map(({ slot, prompt }) => ({
      prompt: prompt.ids.length,
      own: slot.cachedLength,
    }));
    const ownLengths = lengths.map(({ own }) => own);
    this.makeRoom(ownLengths);
    const { width, next } = this.nextTokenPart();
    const session = await programs.decoding({ rows: lengths.length === 1 ? 'one' : 'many', next });
    const outputs = await session.run({
      ...this.model.feeds(weights),
      ...this.cacheFeeds(),
      ...this.tokenFeeds(lengths),
      ...this.seatFeeds(lengths),
      ...(next === 'block' && this.uniformFeeds()),
    });
    for (let layer = 0; layer < config.layers; layer++) {
      const names = decodingCacheNames(layer);
      this.own.append(layer, ownLengths, outputs.floats(names.keys), outputs.floats(names.values));
    }
    if (next === 'block') this.drawFromBlocks(outputs, width, version);
    else this.draw(outputs, width, version);
    this.removeWhere(({ slot }) => deliver(slot, version));
  }

  /** Gives up the slots of requests that want no more. */
  dropCancelled(): void {
    this.removeWhere(({ slot }) => slot.sample.request.cancelled);
  }

  /** Gives up everything. */
  clear(): void {
    this.rows = [];
    this.own.clear();
    this.prompts.clear();
  }

  /** Forgets prompts that no completion reads and no waiting sample will ask for. */
  forgetPrompts(waiting: Iterable<Sample>): void {
    this.prompts.forget(waiting);
  }

  /** How much of a distribution this step's draws need, and its tokens. */
  private nextTokenPart(): { readonly next: NextTokenPart; readonly width: number } {
    const { vocabularySize } = this.model.config;
    const width = blockWidth(vocabularySize);
    const inBlocks = this.rows.every(({ slot }) => slot.sample.request.drawsFromBlock);
    if (width === undefined || !inBlocks) return { next: 'whole', width: vocabularySize };
    return { next: 'block', width };
  }

  private draw(outputs: Outputs, width: number, version: number): void {
    const probabilities = outputs.floats(nextTokens.probabilities);
    this.rows.forEach(({ slot }, row) => {
      slot.draw(probabilities.subarray(row * width, (row + 1) * width), version);
    });
  }

  private drawFromBlocks(outputs: Outputs, width: number, version: number): void {
    const blocks = outputs.integers(nextTokens.block);
    const before = outputs.floats(nextTokens.before);
    const totals = outputs.floats(nextTokens.total);
    const probabilities = outputs.floats(nextTokens.blockProbabilities);
    this.rows.forEach(({ slot }, row) => {
      const block = {
        firstToken: Number(blocks[row]) * width,
        before: before[row] ?? 0,
        total: totals[row] ?? 1,
        probabilities: probabilities.subarray(row * width, (row + 1) * width),
      };
      slot.drawFromBlock(block, version);
    });
  }

  private uniformFeeds(): Feeds {
    const uniforms = this.rows.map(({ slot }) => slot.uniform);
    return { [nextTokens.uniforms]: floatTensor(Float32Array.from(uniforms), [uniforms.length, 1]) };
  }

  /** What prompts and own tokens have left for later ones. */
  private cacheFeeds(): Feeds {
    const feeds: Record<string, Feeds[string]> = {};
    for (let layer = 0; layer < this.model.config.layers; layer++) {
      const names = decodingCacheNames(layer);
      const prompts = this.prompts.keyValues.layer(layer, 0, this.prompts.size);
      const own = this.own.layer(layer, 0, this.rows.length);
      feeds[names.promptKeys] = prompts.keys;
      feeds[names.promptValues] = prompts.values;
      feeds[names.ownKeys] = own.keys;
      feeds[names.ownValues] = own.values;
    }
    return feeds;
  }

  /** The last token of every row, which comes after those that `lengths` count. */
  private tokenFeeds(lengths: readonly RowLengths[]): Feeds {
    return {
      [decoding.ids]: idTensor(
        this.rows.map(({ slot }) => slot.lastToken),
        [lengths.length],
      ),
      [decoding.positions]: idTensor(
        lengths.map(({ prompt, own }) => prompt + own),
        [lengths.length, 1],
      ),
      [nextTokens.inverseTemperatures]: inverseTemperatures(this.rows.map(({ slot }) => slot.sample)),
    };
  }

  private seatFeeds(lengths: readonly RowLengths[]): Feeds {
    const seating = seatRows(
      this.rows.map(({ prompt }) => prompt.row),
      this.prompts.size,
    );
    const { prompts, seatsPerPrompt, rowsOfSeats, seatsOfRows } = seating;
    const heads = [...Array(this.model.config.keyValueHeads).keys()];
    const [promptColumns, ownColumns] = [this.prompts.keyValues.capacity, this.own.capacity];
    const feeds: Record<string, Feeds[string]> = {
      // Whoever is said to sit on an empty seat, nothing is read from there.
      [decoding.rowsOfSeats]: idTensor(
        Array.from({ length: prompts }).flatMap((_, prompt) =>
          heads.flatMap((head) =>
            rowsOfSeats
              .slice(prompt * seatsPerPrompt, (prompt + 1) * seatsPerPrompt)
              .flatMap((row) => [row ?? 0, head]),
          ),
        ),
        [prompts, heads.length, seatsPerPrompt, 2],
      ),
      [decoding.seatsOfRows]: idTensor(
        seatsOfRows.flatMap(([prompt, seat]) => heads.flatMap((head) => [prompt, head, seat])),
        [seatsOfRows.length, heads.length, 3],
      ),
    };
    for (const window of attentionWindows(this.model.config))
      feeds[decodingMask(window)] = floatTensor(
        sightMask(seating, lengths, promptColumns, ownColumns, window),
        [prompts, 1, seatsPerPrompt, 1, promptColumns + ownColumns + 1],
      );
    return feeds;
  }

  private removeWhere(ended: (row: Running) => boolean): void {
    for (let row = this.rows.length - 1; row >= 0; row--) {
      const running = this.rows[row];
      if (running === undefined || !ended(running)) continue;
      running.prompt.readers -= 1;
      const last = this.rows.pop();
      if (last === undefined || last === running) continue;
      this.own.copyRow(this.rows.length, row, last.slot.cachedLength);
      this.rows[row] = last;
    }
  }

  /** Gives every row columns for one token more; their number grows by a quarter at least, so that rows seldom move. */
  private makeRoom(lengths: readonly number[]): void {
    const longest = Math.max(...lengths) + 1;
    if (longest <= this.own.capacity) return;
    const wanted = Math.max(longest, this.own.capacity * 1.25);
    this.own.fit(Math.ceil(wanted / columnStep) * columnStep, lengths);
  }
}

/** Hands a completion over if it has ended. */
function deliver(slot: Slot, version: number): boolean {
  const completion = slot.completion(version);
  if (completion !== undefined) slot.sample.request.deliver(completion);
  return completion !== undefined;
}

const columnStep = 32;
/** Own tokens that a completion's memory is asked for when it starts. */
const roomAtStart = 256;
