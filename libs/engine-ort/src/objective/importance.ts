import type { Graph } from '../graph/graph.js';
import { clip, exp, minimum } from '../graph/ops/elementwise.js';
import { subtract } from '../graph/ops/subtract.js';
import type { Value } from '../graph/value.js';

/** The exponent of an importance ratio is held within plus or minus this, so that the ratio stays finite. */
export const exponentBound = 20;

/** log p - log p_old of the sampled tokens and the ratio exp of it. Shapes [N, 1]. */
export interface Importance {
  readonly logRatio: Value;
  readonly ratio: Value;
}

/** How much likelier the sampled tokens are now than under the weights that sampled them. Shapes [N, 1]. */
export function importance(graph: Graph, logprobs: Value, oldLogprobs: Value): Importance {
  const logRatio = subtract(graph, logprobs, oldLogprobs);
  return { logRatio, ratio: exp(graph, clip(graph, logRatio, -exponentBound, exponentBound)) };
}

/** The ratio, at most `cap`. Shape [N, 1]. */
export function cappedRatio(graph: Graph, { ratio }: Importance, cap: number): Value {
  return minimum(graph, ratio, graph.scalar(cap));
}
