import { embeddingName, llamaParameters, viewOf, type Parameter } from '../llama/parameters.js';
import {
  embeddedGradient,
  embeddingInGraph,
  gradientOutput,
  parameterHasGradient,
} from '../llama/training-graph.js';
import type { LlamaConfig } from '@backsight/engine';
import { floatTensor, type Feeds, type Outputs } from '../session.js';
import type { SequenceBatch } from '../llama/sequences.js';

/** The gradient of a mini-batch, summed over its micro-batches in the layout of the flat weights. */
export class GradientSum {
  /** Valid after `begin` and any number of runs. */
  readonly total: Float32Array;
  private readonly part: Float32Array;
  private readonly parameters: readonly Parameter[];
  private readonly intoTotal: Feeds;
  private readonly intoPart: Feeds;
  private empty = true;

  constructor(
    private readonly config: LlamaConfig,
    size: number,
  ) {
    this.total = new Float32Array(size);
    this.part = new Float32Array(size);
    this.parameters = llamaParameters(config).filter(({ name }) => parameterHasGradient(config, name));
    this.intoTotal = this.outputsOver(this.total);
    this.intoPart = this.outputsOver(this.part);
  }

  /** Starts a mini-batch at zero. */
  begin(): void {
    this.total.fill(0);
    this.empty = true;
  }

  /** Where the next run of a training graph must write its gradients. */
  get into(): Feeds {
    return this.empty ? this.intoTotal : this.intoPart;
  }

  /** Adds what a run wrote. */
  add(outputs: Outputs, batch: SequenceBatch): void {
    if (!this.empty) addInto(this.total, this.part);
    this.empty = false;
    if (!embeddingInGraph(this.config))
      this.addEmbeddedRows(outputs.floats(embeddedGradient), batch.paddedIds);
  }

  /** The embedding's gradient by the rows that were looked up: each row is added to its id's, one after the other. */
  private addEmbeddedRows(rows: Float32Array, ids: readonly number[]): void {
    const width = this.config.hiddenSize;
    const embedding = llamaParameters(this.config).find(({ name }) => name === embeddingName);
    if (embedding === undefined) throw new Error('There is no embedding.');
    const target = viewOf(embedding, this.total);
    ids.forEach((id, row) => {
      for (let i = 0; i < width; i++) {
        const at = id * width + i;
        target[at] = (target[at] ?? 0) + (rows[row * width + i] ?? 0);
      }
    });
  }

  private outputsOver(flat: Float32Array): Feeds {
    return Object.fromEntries(
      this.parameters.map((parameter) => [
        gradientOutput(parameter.name),
        floatTensor(viewOf(parameter, flat), parameter.shape),
      ]),
    );
  }
}

function addInto(total: Float32Array, part: Float32Array): void {
  for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + (part[i] ?? 0);
}
