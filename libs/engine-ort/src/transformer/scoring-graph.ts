import type { ModelConfig } from '@backsight/engine';
import { Graph } from '../graph/graph.js';
import { multiply } from '../graph/ops/multiply.js';
import { topK } from '../graph/ops/top-k.js';
import type { Value } from '../graph/value.js';
import { entropies, studentOf } from '../objective/student.js';
import { forward, project, type TrunkAttention } from './forward.js';
import { inShares } from './in-shares.js';
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

/** What is fixed when a scoring graph is built. */
export interface ScoringGraphOptions {
  /** Whether it also finds the most likely tokens. */
  readonly withTop: boolean;
  /** Shares of the rows that are worked on one after the other, at least 1. */
  readonly shares: number;
}

/** Scores given completion tokens: their logprobs and entropies, and the most likely tokens if asked for. */
export function scoringGraph(
  config: ModelConfig,
  { withTop, shares }: ScoringGraphOptions,
  trunk: TrunkAttention = 'fused',
): Graph {
  const graph = new Graph();
  const weights = declareWeights(graph, config);
  const { hidden } = forward(graph, config, weights, { trunk });
  const inverseTemperature = graph.input(scoring.inverseTemperature, 'float32', []);
  const scoredIds = graph.input(scoring.scoredIds, 'int64', ['N', 1]);
  const topCount = withTop ? graph.input(scoring.topCount, 'int64', [1]) : undefined;
  const rows = new Map([
    ['hidden', hidden],
    [scoring.scoredIds, scoredIds],
  ]);
  const results = inShares(graph, shares, rows, (row) => {
    const logits = project(graph, row('hidden'), weights.output);
    const student = studentOf(graph, multiply(graph, logits, inverseTemperature), row(scoring.scoredIds));
    const found = new Map<string, Value>([
      [scoring.logprobs, student.sampledLogprobs],
      [scoring.entropies, entropies(graph, student)],
    ]);
    if (topCount !== undefined) {
      const { values, indices } = topK(graph, student.logprobs, topCount);
      found.set(scoring.topLogprobs, values).set(scoring.topIds, indices);
    }
    return { rows: found, sums: [] };
  });
  for (const [name, value] of results) graph.output(name, value);
  return graph;
}

/** Computes final hidden states alone, which is all a teacher hands over. Output `hidden`: shape [N, D]. */
export function hiddenGraph(config: ModelConfig, trunk: TrunkAttention = 'fused'): Graph {
  const graph = new Graph();
  graph.output('hidden', forward(graph, config, declareWeights(graph, config), { trunk }).hidden);
  return graph;
}
