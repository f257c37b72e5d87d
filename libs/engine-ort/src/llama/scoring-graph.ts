import type { LlamaConfig } from '@backsight/engine';
import { Graph } from '../graph/graph.js';
import { multiply } from '../graph/ops/multiply.js';
import { topK } from '../graph/ops/top-k.js';
import { entropies, studentOf } from '../objective/student.js';
import { forward, project } from './forward.js';
import { declareWeights } from './parameters.js';

/** Names of what a scoring graph reads beside the sequences, and of what it writes. */
export const scoring = {
  /** Ids to score at the wanted positions. Shape [N, 1], int64. */
  scoredIds: 'scored_ids',
  /** 1 / temperature. Shape []. */
  inverseTemperature: 'inverse_temperature',
  /** K. Shape [1], int64. */
  topCount: 'top_count',
  /** Shape [N, 1]. */
  logprobs: 'logprobs',
  /** In nats. Shape [N, 1]. */
  entropies: 'entropies',
  /** Shape [N, K], int64. */
  topIds: 'top_ids',
  /** Shape [N, K]. */
  topLogprobs: 'top_logprobs',
} as const;

/** Scores given completion tokens: their logprobs and entropies, and the most likely tokens if `withTop`. */
export function scoringGraph(config: LlamaConfig, withTop: boolean): Graph {
  const graph = new Graph();
  const weights = declareWeights(graph, config);
  const logits = project(graph, forward(graph, config, weights).hidden, weights.output);
  const scaled = multiply(graph, logits, graph.input(scoring.inverseTemperature, 'float32', []));
  const student = studentOf(graph, scaled, graph.input(scoring.scoredIds, 'int64', ['N', 1]));
  graph.output(scoring.logprobs, student.sampledLogprobs);
  graph.output(scoring.entropies, entropies(graph, student));
  if (withTop) {
    const { values, indices } = topK(graph, student.logprobs, graph.input(scoring.topCount, 'int64', [1]));
    graph.output(scoring.topLogprobs, values);
    graph.output(scoring.topIds, indices);
  }
  return graph;
}

/** Computes final hidden states alone, which is all a teacher hands over. Output `hidden`: shape [N, D]. */
export function hiddenGraph(config: LlamaConfig): Graph {
  const graph = new Graph();
  graph.output('hidden', forward(graph, config, declareWeights(graph, config)).hidden);
  return graph;
}
