import type { ConfigKeys } from './config-keys.js';
import type { JsonObject } from './json.js';
import type { Rope, RopeScaling } from './model-config.js';

/** Rotary settings of layers that look at everything, and of those with a sliding window. */
export interface Ropes {
  readonly full: Rope;
  readonly sliding: Rope;
}

/**
 * Reads `rope_theta`, `rope_scaling` and `rope_parameters`, in their older form (one for all layers) and the newer one (an
 * entry per layer type). `slidingIsScaled`: whether one scaling for all holds for layers with a sliding window too.
 */
export function parseRopes(keys: ConfigKeys, defaultTheta: number, slidingIsScaled: boolean): Ropes {
  keys.allow('rope_interleaved', [false]);
  const theta = keys.real('rope_theta', defaultTheta);
  const parameters = keys.nested('rope_parameters');
  const [full, sliding] = [parameters?.nested('full_attention'), parameters?.nested('sliding_attention')];
  if (full !== undefined || sliding !== undefined)
    return { full: parseRope(keys, full, theta), sliding: parseRope(keys, sliding, theta) };
  // The older key wins, as in transformers, which writes the newer one over it.
  const rope = parseRope(keys, keys.nested('rope_scaling') ?? parameters, theta);
  return { full: rope, sliding: slidingIsScaled ? rope : { theta: rope.theta } };
}

/** `rope_theta` and `rope_scaling` of one entry, as config.json writes them. */
export function ropeParametersJson({ theta, scaling }: Rope): JsonObject {
  return {
    rope_theta: theta,
    ...(scaling === undefined ? { rope_type: 'default' } : ropeScalingJson(scaling)),
  };
}

/** A scaling as config.json writes it. */
export function ropeScalingJson(scaling: RopeScaling): JsonObject {
  switch (scaling.kind) {
    case 'linear':
      return { rope_type: 'linear', factor: scaling.factor };
    case 'llama3':
      return {
        rope_type: 'llama3',
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequencyFactor,
        high_freq_factor: scaling.highFrequencyFactor,
        original_max_position_embeddings: scaling.originalContext,
      };
    case 'yarn':
      return {
        rope_type: 'yarn',
        factor: scaling.factor,
        original_max_position_embeddings: scaling.originalContext,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        truncate: scaling.wholeChannels,
        attention_factor: scaling.attentionFactor,
      };
  }
}

function parseRope(config: ConfigKeys, keys: ConfigKeys | undefined, defaultTheta: number): Rope {
  if (keys === undefined) return { theta: defaultTheta };
  keys.allow('partial_rotary_factor', [1]);
  const theta = keys.real('rope_theta', defaultTheta);
  const scaling = parseScaling(config, keys);
  return scaling === undefined ? { theta } : { theta, scaling };
}

function parseScaling(config: ConfigKeys, keys: ConfigKeys): RopeScaling | undefined {
  const kind = keys.raw('rope_type') ?? keys.raw('type') ?? 'default';
  const originalContext = () =>
    config.positive(
      'original_max_position_embeddings',
      keys.positive('original_max_position_embeddings', config.positive('max_position_embeddings')),
    );
  switch (kind) {
    case 'default':
      return undefined;
    case 'linear':
      return { kind: 'linear', factor: keys.real('factor') };
    case 'llama3':
      return {
        kind: 'llama3',
        factor: keys.real('factor'),
        lowFrequencyFactor: keys.real('low_freq_factor'),
        highFrequencyFactor: keys.real('high_freq_factor'),
        originalContext: originalContext(),
      };
    case 'yarn': {
      const context = originalContext();
      const factor = keys.real('factor', config.positive('max_position_embeddings') / context);
      return {
        kind: 'yarn',
        factor,
        originalContext: context,
        betaFast: keys.real('beta_fast', 32),
        betaSlow: keys.real('beta_slow', 1),
        wholeChannels: keys.flag('truncate', true),
        attentionFactor: yarnAttentionFactor(keys, factor),
      };
    }
    default:
      throw keys.fail(
        'rope_type',
        `rotary scaling ${JSON.stringify(kind)} is not supported; "default", "linear", "llama3" and "yarn" are`,
      );
  }
}

/** As written, or 0.1 ln(factor) + 1 (YaRN, section 3.4), which `mscale` and `mscale_all_dim` weight as a ratio. */
function yarnAttentionFactor(keys: ConfigKeys, factor: number): number {
  const by = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);
  const [scale, allDimensions] = [keys.raw('mscale'), keys.raw('mscale_all_dim')];
  const inferred =
    scale !== undefined && scale !== 0 && allDimensions !== undefined && allDimensions !== 0
      ? by(keys.real('mscale')) / by(keys.real('mscale_all_dim'))
      : by(1);
  return keys.real('attention_factor', inferred);
}
