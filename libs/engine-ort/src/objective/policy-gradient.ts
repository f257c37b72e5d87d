import type { PolicyGradient } from '@backsight/sdpo';
import type { Graph } from '../graph/graph.js';
import { abs, both, clip, equal, less, maximum, minimum, negate, where } from '../graph/ops/elementwise.js';
import { multiply, scale } from '../graph/ops/multiply.js';
import type { Value } from '../graph/value.js';
import { exponentBound, type Importance } from './importance.js';

/**
 * The clipped surrogate max(-A w, -A clip(w, 1 - low, 1 + high)), for a negative advantage at most -A c (dual clip).
 *
 * Shapes [N, 1]. `slope` is its derivative by the sampled token's logprob: -A w, or 0 where a bound is reached.
 */
export function policyGradientLoss(
  graph: Graph,
  settings: Omit<PolicyGradient, 'weight'>,
  importance: Importance,
  advantages: Value,
): { readonly loss: Value; readonly slope: Value } {
  const against = negate(graph, advantages);
  const free = multiply(graph, against, importance.ratio);
  const clipped = multiply(
    graph,
    against,
    clip(graph, importance.ratio, 1 - settings.clipLow, 1 + settings.clipHigh),
  );
  const surrogate = maximum(graph, free, clipped);
  const loss =
    settings.dualClip === undefined ? surrogate : bound(graph, surrogate, against, settings.dualClip);
  const inside = less(graph, abs(graph, importance.logRatio), graph.scalar(exponentBound));
  const moves = both(graph, equal(graph, loss, free), inside);
  return { loss, slope: where(graph, moves, free, graph.scalar(0)) };
}

/** min(surrogate, -A c) where -A is positive. */
function bound(graph: Graph, surrogate: Value, against: Value, dualClip: number): Value {
  const bounded = minimum(graph, surrogate, scale(graph, against, dualClip));
  return where(graph, less(graph, graph.scalar(0), against), bounded, surrogate);
}
