import type { ModelConfig } from '../model-config.js';
import { modelTensors } from '../model-tensors.js';
import type { TensorTable } from '../weights.js';

/**
 * A low-rank adapter (LoRA, arXiv 2106.09685): each targeted matrix W becomes W + (alpha / rank) B A, of which A and B are
 * trained and W is frozen. Shapes: W [out, in], A [rank, in], B [out, rank]. No dropout.
 */
export interface AdapterSettings {
  /** At least 1. */
  readonly rank: number;
  /** Above 0. */
  readonly alpha: number;
  /** Which matrices of every layer, each at most once, at least one. */
  readonly targets: readonly AdapterTarget[];
}

/** The matrices that an adapter can target, by PEFT's names, in storage order. */
export const adapterTargets = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
] as const;

export type AdapterTarget = (typeof adapterTargets)[number];

/** Tells the name of a matrix that can be targeted from any other text. */
export function isAdapterTarget(name: string): name is AdapterTarget {
  return adapterTargets.some((target) => target === name);
}

/** What multiplies B A. */
export function adapterScale({ rank, alpha }: AdapterSettings): number {
  return alpha / rank;
}

/** One matrix with its factors, by their names. */
export interface AdaptedMatrix {
  readonly target: AdapterTarget;
  /** `model.layers.0.self_attn.q_proj.weight`, for example. Shape [out, in]. */
  readonly weight: string;
  readonly out: number;
  readonly in: number;
  /** Name of A. Shape [rank, in]. */
  readonly down: string;
  /** Name of B. Shape [out, rank]. */
  readonly up: string;
}

/** Every targeted matrix of a model, in storage order. */
export function adaptedMatrices(config: ModelConfig, settings: AdapterSettings): readonly AdaptedMatrix[] {
  return [...modelTensors(config)].flatMap(([weight, [out = 0, width = 0]]) => {
    const stem = weight.replace(/\.weight$/, '');
    const target = stem.slice(stem.lastIndexOf('.') + 1);
    if (stem === weight || !isAdapterTarget(target) || !settings.targets.includes(target)) return [];
    return [{ target, weight, out, in: width, down: `${stem}.lora_A.weight`, up: `${stem}.lora_B.weight` }];
  });
}

/** The factors of an adapter, A before B, in the order of their matrices. */
export function adapterTable(config: ModelConfig, settings: AdapterSettings): TensorTable {
  const { rank } = settings;
  return new Map(
    adaptedMatrices(config, settings).flatMap((matrix): [string, readonly number[]][] => [
      [matrix.down, [rank, matrix.in]],
      [matrix.up, [matrix.out, rank]],
    ]),
  );
}
