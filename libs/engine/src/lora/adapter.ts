import type { ModelConfig } from '../model-config.js';
import { philox, seedKey, toUniform } from '../philox.js';
import { WeightSet } from '../weights.js';
import { adaptedMatrices, adapterScale, adapterTable, type AdapterSettings } from './adapter-settings.js';

/** An adapter and what it adapts. */
export interface Adapter {
  readonly settings: AdapterSettings;
  /** A and B of every targeted matrix. */
  readonly factors: WeightSet;
}

/**
 * A fresh adapter, which changes nothing yet: B is zero and A uniform in +-1 / sqrt(in), as PEFT begins. The same seed gives
 * the same bits.
 */
export function freshAdapter(config: ModelConfig, settings: AdapterSettings, seed: number): Adapter {
  const factors = new WeightSet(adapterTable(config, settings));
  const key = seedKey(seed);
  adaptedMatrices(config, settings).forEach(({ down, in: width }, stream) => {
    const { values } = factors.tensor(down);
    const bound = 1 / Math.sqrt(width);
    for (let i = 0; i < values.length; i++) {
      const [a, b] = philox(key, [i, stream, 0, 2]);
      values[i] = bound * (2 * toUniform(a, b) - 1);
    }
  });
  return { settings, factors };
}

/** Whether every product is zero because every B is, as that of a fresh adapter. */
export function changesNothing(config: ModelConfig, { settings, factors }: Adapter): boolean {
  return adaptedMatrices(config, settings).every(({ up }) =>
    factors.tensor(up).values.every((value) => value === 0),
  );
}

/**
 * Writes W + scale B A for every targeted matrix into `merged`, a set with the base's table; its other tensors stay as they
 * are. Products are added up in float64.
 */
export function mergeAdapter(
  config: ModelConfig,
  base: WeightSet,
  { settings, factors }: Adapter,
  merged: WeightSet,
): void {
  const { rank } = settings;
  const scale = adapterScale(settings);
  for (const { weight, down, up, out, in: width } of adaptedMatrices(config, settings)) {
    const [source, target] = [base.tensor(weight).values, merged.tensor(weight).values];
    const [a, b] = [factors.tensor(down).values, factors.tensor(up).values];
    const row = new Float64Array(width);
    for (let o = 0; o < out; o++) {
      row.fill(0);
      for (let k = 0; k < rank; k += 4)
        addRows(row, a, k, rank, (other) => scale * (b[o * rank + other] ?? 0));
      const begin = o * width;
      for (let i = 0; i < width; i++) target[begin + i] = (source[begin + i] ?? 0) + (row[i] ?? 0);
    }
  }
}

/** Adds rows k to k + 3 of A [rank, width], each times its factor, to `row`: four at a time, to touch it a quarter as often. */
function addRows(
  row: Float64Array,
  a: Float32Array,
  k: number,
  rank: number,
  factor: (k: number) => number,
): void {
  const width = row.length;
  const of = (other: number) => (other < rank ? factor(other) : 0);
  const [f0, f1, f2, f3] = [of(k), of(k + 1), of(k + 2), of(k + 3)];
  const [b0, b1, b2, b3] = [k * width, (k + 1) * width, (k + 2) * width, (k + 3) * width];
  for (let i = 0; i < width; i++)
    row[i] =
      (row[i] ?? 0) +
      f0 * (a[b0 + i] ?? 0) +
      f1 * (a[b1 + i] ?? 0) +
      f2 * (a[b2 + i] ?? 0) +
      f3 * (a[b3 + i] ?? 0);
}
