import { adapterTable, WeightSet } from '@backsight/engine';
import type { Model } from '../transformer/model.js';
import { viewOf } from '../transformer/parameters.js';
import type { SequenceBatch } from '../transformer/sequences.js';
import { differentiatedParameters, embeddedGradient, gradientOutput } from '../transformer/training-graph.js';
import { floatTensor, type Feeds, type Outputs } from '../session.js';

/** The gradient of a mini-batch, summed over its micro-batches in the layout of what is trained: all weights or an adapter's factors. */
export class GradientSum {
  /** Valid after `begin` and any number of runs. */
  readonly total: Float32Array;
  private readonly intoTotal: Feeds;
  /** Where runs after the first write, to be added. */
  private part: { readonly values: Float32Array; readonly into: Feeds } | undefined;
  private empty = true;

  constructor(
    private readonly model: Model,
    size: number,
  ) {
    this.total = new Float32Array(size);
    this.intoTotal = this.outputsOver(this.total);
  }

  /** Starts a mini-batch at zero. */
  begin(): void {
    this.total.fill(0);
    this.empty = true;
  }

  /** Where the next run of a training graph must write its gradients. */
  get into(): Feeds {
    return this.empty ? this.intoTotal : this.laterPart().into;
  }

  /** Adds what a run wrote. */
  add(outputs: Outputs, batch: SequenceBatch): void {
    if (!this.empty) addInto(this.total, this.laterPart().values);
    this.empty = false;
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

  private laterPart() {
    if (this.part === undefined) {
      const values = new Float32Array(this.total.length);
      this.part = { values, into: this.outputsOver(values) };
    }
    return this.part;
  }

  private outputsOver(flat: Float32Array): Feeds {
    const { config, embeddingGradient, adapter } = this.model;
    if (adapter !== undefined) {
      const { tensors } = new WeightSet(adapterTable(config, adapter), flat);
      return Object.fromEntries(
        [...tensors.values()].map(({ name, shape, values }) => [
          gradientOutput(name),
          floatTensor(values, shape),
        ]),
      );
    }
    return Object.fromEntries(
      differentiatedParameters(config, embeddingGradient).map((parameter) => [
        gradientOutput(parameter.name),
        floatTensor(viewOf(parameter, flat), parameter.shape),
      ]),
    );
  }
}

function addInto(total: Float32Array, part: Float32Array): void {
  for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + (part[i] ?? 0);
}
