import type { Graph } from '../graph/graph.js';
import { add } from '../graph/ops/add.js';
import { less, where } from '../graph/ops/elementwise.js';
import { concat } from '../graph/ops/parts.js';
import { reshape } from '../graph/ops/reshape.js';
import { stretch } from '../graph/ops/stretch.js';
import type { Value } from '../graph/value.js';
import { cut, upTo } from './blocks.js';

/** What to add to attention scores, query by key: 0 for what is seen, a very low number for what is not. */
export interface AttentionMasks {
  /** What each block of trunks' queries sees up to its end. Shapes [its length, the sum of lengths up to it]. */
  readonly trunk: readonly Value[];
  /** What branches see of their trunk, and then of themselves. Shape [B, 1, 1, 1, T, P+T]. */
  readonly branch: Value;
}

/**
 * Masks of causal attention over trunks and branches, where a position sees the last `window` positions if there is a window.
 *
 * `trunkLengths` are the trunks' lengths before padding, shape [B, 1], int64; `branchPositions` has shape [B, T], int64;
 * `blocks` are symbols of the lengths of the trunks' blocks.
 */
export function attentionMasks(
  graph: Graph,
  { trunkLengths, branchPositions }: { readonly trunkLengths: Value; readonly branchPositions: Value },
  window: number | undefined,
  blocks: readonly string[],
): AttentionMasks {
  const perBranch = ['B', 1, 1, 1, 'T'] as const;
  const ofTrunk = trunkMask(graph, trunkLengths, branchPositions, window);
  const ofItself = reshape(graph, causalMask(graph, 'T', window), [1, 1, 1, 1, 'T', 'T']);
  return {
    trunk: cut(graph, causalMask(graph, 'P', window), 0, blocks).map((rows, i) =>
      upTo(graph, cut(graph, rows, 1, blocks), i, 1),
    ),
    branch: concat(
      graph,
      [stretch(graph, ofTrunk, [...perBranch, 'P']), stretch(graph, ofItself, [...perBranch, 'T'])],
      -1,
    ),
  };
}

/** 0 up to the own position and not before the window. Shape [S, S]. */
function causalMask(graph: Graph, length: string, window: number | undefined): Value {
  const positions = range(graph, length);
  const own = reshape(graph, positions, [length, 1]);
  const later = where(graph, less(graph, own, positions), hidden(graph), graph.scalar(0));
  if (window === undefined) return later;
  return where(graph, beforeWindow(graph, positions, own, window), hidden(graph), later);
}

/** 0 where a trunk has a token, and not before the window. Shape [B, 1, 1, 1, 1, P], or [B, 1, 1, 1, T, P] with a window. */
function trunkMask(graph: Graph, lengths: Value, positions: Value, window: number | undefined): Value {
  const keys = range(graph, 'P');
  // Shape [B, P].
  const present = where(graph, less(graph, keys, lengths), graph.scalar(0), hidden(graph));
  if (window === undefined) return reshape(graph, present, ['B', 1, 1, 1, 1, 'P']);
  const outside = beforeWindow(graph, keys, reshape(graph, positions, ['B', 'T', 1]), window);
  const mask = where(graph, outside, hidden(graph), reshape(graph, present, ['B', 1, 'P']));
  return reshape(graph, mask, ['B', 1, 1, 1, 'T', 'P']);
}

/** Whether a key lies before the last `window` positions up to its query's. */
function beforeWindow(graph: Graph, keys: Value, queries: Value, window: number): Value {
  const last = add(graph, keys, graph.constant(BigInt64Array.of(BigInt(window - 1)), []));
  return less(graph, last, queries);
}

function hidden(graph: Graph): Value {
  return graph.scalar(-1e30);
}

/** 0, 1, ... Shape [S], int64. */
function range(graph: Graph, length: string): Value {
  return graph.compute({
    op: 'Range',
    inputs: [
      graph.constant(BigInt64Array.of(0n), []),
      reshape(graph, graph.length(length), []),
      graph.constant(BigInt64Array.of(1n), []),
    ],
    dtype: 'int64',
    shape: [length],
  });
}
