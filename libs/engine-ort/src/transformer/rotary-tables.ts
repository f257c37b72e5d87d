import { paddedLength, type ModelConfig } from '@backsight/engine';
import type { Graph } from '../graph/graph.js';
import type { Value } from '../graph/value.js';
import { floatTensor, type Feeds } from '../session.js';

/** Cosines and sines of the rotary angles, as values of a graph. Shapes [positions, d/2]. */
export interface RotaryTables {
  readonly cosines: Value;
  readonly sines: Value;
}

/** Declares the tables as inputs of a graph. */
export function declareRotaryTables(graph: Graph, config: ModelConfig): RotaryTables {
  const shape = [positions(config), config.headDim / 2];
  return {
    cosines: graph.input('rotary_cosines', 'float32', shape),
    sines: graph.input('rotary_sines', 'float32', shape),
  };
}

/** The tables: position p and channel c have the angle p theta^(-2c/d). Computed in float64. */
export function rotaryFeeds(config: ModelConfig): Feeds {
  const { headDim, ropeTheta } = config;
  const channels = headDim / 2;
  const table = (of: (angle: number) => number) =>
    floatTensor(
      Float32Array.from({ length: positions(config) * channels }, (_, i) => {
        const [position, channel] = [Math.floor(i / channels), i % channels];
        return of(position * ropeTheta ** ((-2 * channel) / headDim));
      }),
      [positions(config), channels],
    );
  return { rotary_cosines: table(Math.cos), rotary_sines: table(Math.sin) };
}

/** The longest row after padding. */
function positions({ contextWindow }: ModelConfig): number {
  return paddedLength(contextWindow);
}
