import type { ModelConfig } from '@backsight/engine';
import { decodingCacheNames } from '../transformer/decoding-graph.js';
import { nextTokens } from '../transformer/next-token.js';
import { floatTensor, type Feeds } from '../session.js';
import type { NewTokens } from './key-value-cache.js';

/** Memory that decoding steps write into, one after the other. */
export class StepOutputs {
  private rows = 0;
  private all = new Float32Array(0);
  private newTokens: readonly NewTokens[] = [];

  constructor(private readonly config: ModelConfig) {}

  /** What a step of so many rows is to write into. */
  feeds(rows: number): Feeds {
    if (rows > this.rows) this.grow(rows);
    const { keyValueHeads, headDim, vocabularySize } = this.config;
    const width = keyValueHeads * headDim;
    const shape = [rows, keyValueHeads, 1, headDim];
    const into: Record<string, Feeds[string]> = {
      [nextTokens.probabilities]: floatTensor(this.all.subarray(0, rows * vocabularySize), [
        rows,
        vocabularySize,
      ]),
    };
    this.newTokens.forEach(({ keys, values }, layer) => {
      const names = decodingCacheNames(layer);
      into[names.keys] = floatTensor(keys.subarray(0, rows * width), shape);
      into[names.values] = floatTensor(values.subarray(0, rows * width), shape);
    });
    return into;
  }

  /** Of the token after a row's. Shape [V]. */
  probabilities(row: number): Float32Array {
    const { vocabularySize } = this.config;
    return this.all.subarray(row * vocabularySize, (row + 1) * vocabularySize);
  }

  /** What a layer has computed of the tokens that were read. */
  layer(index: number): NewTokens {
    const found = this.newTokens[index];
    if (found === undefined) throw new RangeError(`There is no layer ${index}.`);
    return found;
  }

  private grow(rows: number): void {
    const { layers, keyValueHeads, headDim, vocabularySize } = this.config;
    const empty = () => new Float32Array(rows * keyValueHeads * headDim);
    this.rows = rows;
    this.all = new Float32Array(rows * vocabularySize);
    this.newTokens = Array.from({ length: layers }, () => ({ keys: empty(), values: empty() }));
  }
}
