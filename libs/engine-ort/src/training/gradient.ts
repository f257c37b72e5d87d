import { adapterTable, WeightSet } from '@backsight/engine';
import type { Model } from '../transformer/model.js';
import { viewOf } from '../transformer/parameters.js';
import type { SequenceBatch } from '../transformer/sequences.js';
import {
  differentiatedParameters,
  embeddedGradient,
  gradientOutput,
  gradientSum,
} from '../transformer/training-graph.js';
import { floatTensor, type Feeds, type Outputs } from '../session.js';

/** The gradient of a mini-batch, summed over its micro-batches in the layout of what is trained: all weights or an adapter's factors. */
export class GradientSum {
  /** Valid after `begin` and any number of runs. */
  readonly total: Float32Array;
  /** What the next run of a training graph adds to. */
  readonly before: Feeds;
  /** Where it must write, which is the same memory. */
  readonly after: Feeds;

  constructor(
    private readonly model: Model,
    size: number,
  ) {
    this.total = new Float32Array(size);
    const parts = this.partsOf(this.total);
    this.before = Object.fromEntries(parts.map(([name, part]) => [gradientSum(name), part]));
    this.after = Object.fromEntries(parts.map(([name, part]) => [gradientOutput(name), part]));
  }

  /** Starts a mini-batch at zero. */
  begin(): void {
    this.total.fill(0);
  }

  /** Adds what a run has left to the host: the gradient of looked-up rows, where the embedding is large. */
  addEmbedded(outputs: Outputs, batch: SequenceBatch): void {
    if (this.model.adapter === undefined && this.model.embeddingGradient === 'rows')
      this.addEmbeddedRows(outputs.floats(embeddedGradient), batch.paddedIds);
  }

  /** Adds the gradient of each looked-up row to its id's, one after the other; the embedding lies first in the flat weights. */
  private addEmbeddedRows(rows: Float32Array, ids: readonly number[]): void {
    const { total } = this;
    const width = this.model.config.hiddenSize;
    ids.forEach((id, row) => {
      for (let i = 0; i < width; i++)
        total[id * width + i] = (total[id * width + i] ?? 0) + (rows[row * width + i] ?? 0);
    });
  }

  /** Tensors over stretches of the flat gradient, by the names of what is trained. */
  private partsOf(flat: Float32Array): readonly (readonly [string, Feeds[string]])[] {
    const { config, embeddingGradient, adapter } = this.model;
    if (adapter !== undefined) {
      const { tensors } = new WeightSet(adapterTable(config, adapter), flat);
      return [...tensors.values()].map(({ name, shape, values }) => [name, floatTensor(values, shape)]);
    }
    return differentiatedParameters(config, embeddingGradient).map((parameter) => [
      parameter.name,
      floatTensor(viewOf(parameter, flat), parameter.shape),
    ]);
  }
}
