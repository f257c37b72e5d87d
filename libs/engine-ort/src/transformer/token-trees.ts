import { paddedLength } from '@backsight/engine';
import type { Sequence } from './sequence.js';

/** Sequences of one prompt: what they share is computed once. */
export interface Tree {
  /** Indices of its sequences, the longest completion first. */
  readonly items: readonly number[];
  /** Tokens that they share: the prompt but for its last token. */
  readonly trunk: number;
  /** Tokens of the longest branch: the prompt's last token, then all of the completion but its last. */
  readonly branch: number;
}

/** Trees of one run, padded to one shape. */
export interface PaddedShape {
  /** P. */
  readonly trunk: number;
  /** G. */
  readonly branches: number;
  /** T. */
  readonly branch: number;
}

/** Groups sequences by prompt; a group is cut where completions are so unlike that one more trunk costs less than padding. */
export function treesOf(sequences: readonly Sequence[], tokenBudget: number): readonly Tree[] {
  const groups = new Map<string, { readonly trunk: number; readonly items: number[] }>();
  sequences.forEach(({ promptIds }, item) => {
    const key = promptIds.join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { trunk: promptIds.length - 1, items: [item] });
    else group.items.push(item);
  });
  const length = (item: number) => sequences[item]?.completionIds.length ?? 0;
  return [...groups.values()].flatMap(({ trunk, items }) => {
    const sorted = items.sort((a, b) => length(b) - length(a) || a - b);
    return cut({ trunk, items: sorted, branch: length(sorted[0] ?? 0) }, length, tokenBudget);
  });
}

/** Packs trees of like shape together, the widest first, within a budget of padded tokens; a larger tree goes alone. */
export function packTrees(trees: readonly Tree[], tokenBudget: number): readonly (readonly Tree[])[] {
  const order = [...trees].sort(
    (a, b) =>
      b.items.length - a.items.length ||
      paddedLength(b.trunk) - paddedLength(a.trunk) ||
      b.branch - a.branch ||
      (a.items[0] ?? 0) - (b.items[0] ?? 0),
  );
  const batches: Tree[][] = [];
  for (const tree of order) {
    const open = batches.at(-1);
    const joined = open && [...open, tree];
    if (joined && tokensOf(joined) <= tokenBudget && tokensOf(joined) <= wasteLimit * separately(joined))
      open.push(tree);
    else batches.push([tree]);
  }
  return batches;
}

/** The shape that holds every tree. */
export function paddedShape(trees: readonly Tree[]): PaddedShape {
  const largest = (of: (tree: Tree) => number) => trees.reduce((max, tree) => Math.max(max, of(tree)), 1);
  return {
    trunk: paddedLength(largest(({ trunk }) => trunk)),
    branches: largest(({ items }) => items.length),
    branch: paddedLength(largest(({ branch }) => branch)),
  };
}

/** Tokens of trees padded to one shape. */
function tokensOf(trees: readonly Tree[]): number {
  const { trunk, branches, branch } = paddedShape(trees);
  return trees.length * (trunk + branches * branch);
}

function separately(trees: readonly Tree[]): number {
  return trees.reduce((sum, tree) => sum + tokensOf([tree]), 0);
}

/** Cuts a tree where that saves tokens or where it passes the budget, and the parts again. */
function cut(tree: Tree, length: (item: number) => number, tokenBudget: number): readonly Tree[] {
  const { items, trunk } = tree;
  const part = (begin: number, end?: number): Tree => {
    const own = items.slice(begin, end);
    return { items: own, trunk, branch: length(own[0] ?? 0) };
  };
  const whole = tokensOf([tree]);
  const mustCut = whole > tokenBudget && items.length > 1;
  let best: { readonly at: number; readonly tokens: number } | undefined;
  for (let at = 1; at < items.length; at++) {
    const tokens = tokensOf([part(0, at)]) + tokensOf([part(at)]);
    if (tokens < (best?.tokens ?? (mustCut ? Infinity : whole))) best = { at, tokens };
  }
  if (best === undefined) return [tree];
  // Equal lengths are cut in the middle, so that the parts are alike.
  const at = mustCut && length(items[0] ?? 0) === length(items.at(-1) ?? 0) ? items.length >> 1 : best.at;
  return [part(0, at), part(at)].flatMap((half) => cut(half, length, tokenBudget));
}

/** Padding a tree to the shape of others may cost this factor. */
const wasteLimit = 1.5;
