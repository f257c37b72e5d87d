import { paddedLength, type ModelConfig, type Rope } from '@backsight/engine';
import type { Graph } from '../graph/graph.js';
import type { RotaryAngles } from '../graph/ops/rotary.js';
import { floatTensor, type Feeds } from '../session.js';
import { rotaryFrequencies } from './rotary-frequencies.js';

/** Declares the tables of every rope of the model as inputs of a graph, and returns those of a rope. */
export function declareRotaryTables(graph: Graph, config: ModelConfig): (rope: Rope) => RotaryAngles {
  const shape = [positions(config), config.headDim / 2];
  const tables = new Map(
    [...ropesByName(config)].map(([name, rope]) => [
      keyOf(rope),
      {
        cosines: graph.input(cosinesOf(name), 'float32', shape),
        sines: graph.input(sinesOf(name), 'float32', shape),
      },
    ]),
  );
  return (rope) => {
    const found = tables.get(keyOf(rope));
    if (found === undefined) throw new Error(`The model has no rope ${keyOf(rope)}.`);
    return found;
  };
}

/** The tables: position p has the angle p times the frequency of each channel pair, rounded as transformers does. */
export function rotaryFeeds(config: ModelConfig): Feeds {
  const shape = [positions(config), config.headDim / 2];
  const feeds: Record<string, Feeds[string]> = {};
  for (const [name, rope] of ropesByName(config)) {
    const { frequencies, amplitude } = rotaryFrequencies(rope, config.headDim);
    const channels = frequencies.length;
    const angles = new Float32Array(positions(config) * channels).map(
      (_, i) => Math.floor(i / channels) * (frequencies[i % channels] ?? 0),
    );
    feeds[cosinesOf(name)] = floatTensor(
      angles.map((angle) => amplitude * Math.cos(angle)),
      shape,
    );
    feeds[sinesOf(name)] = floatTensor(
      angles.map((angle) => amplitude * Math.sin(angle)),
      shape,
    );
  }
  return feeds;
}

/** The model's different ropes: one, or a second for layers with a sliding window. */
function ropesByName({ rope, architecture }: ModelConfig): ReadonlyMap<string, Rope> {
  const ropes = new Map([['rotary', rope]]);
  const sliding = architecture.slidingWindow?.rope;
  if (sliding !== undefined && keyOf(sliding) !== keyOf(rope)) ropes.set('sliding_rotary', sliding);
  return ropes;
}

const cosinesOf = (name: string): string => `${name}_cosines`;
const sinesOf = (name: string): string => `${name}_sines`;
const keyOf = (rope: Rope): string => JSON.stringify(rope);

/** The longest row after padding. */
function positions({ contextWindow }: ModelConfig): number {
  return paddedLength(contextWindow);
}
