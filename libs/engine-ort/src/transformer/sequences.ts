import type { ModelConfig } from '@backsight/engine';
import { idTensor, type Feeds } from '../session.js';
import { sequenceInputs } from './forward.js';
import type { RunShape } from './memory-plan.js';
import type { Sequence } from './sequence.js';
import { packTrees, paddedShape, treesOf, type Tree } from './token-trees.js';

/** Sequences that one run takes together. */
export interface SequenceBatch {
  /** Indices into the sequences that were packed. */
  readonly items: readonly number[];
  /** The completion tokens of all items, one after the other. Length N. */
  readonly completionIds: readonly number[];
  /** First of each item's tokens among the N. */
  readonly offsets: readonly number[];
  /** What `sequenceInputs` names; the N rows predict the completion tokens. */
  readonly feeds: Feeds;
  /** Ids as fed, trunks before branches. Length M. */
  readonly paddedIds: readonly number[];
  readonly shape: RunShape;
  /** Padded length of its trunks. */
  readonly trunk: number;
}

/**
 * Packs sequences into batches of at most `tokenBudget` padded tokens; one that is longer goes alone. Different prompts
 * come together only up to `together` tokens.
 *
 * The sequences of a prompt share its tokens as their trunk, but for the last: a branch reads that one and then its
 * completion, each row predicting the token after it. The last token of a completion is predicted and never read.
 */
export function packSequences(
  sequences: readonly Sequence[],
  tokenBudget: number,
  together = tokenBudget,
): readonly SequenceBatch[] {
  return packTrees(treesOf(sequences, tokenBudget), together).map((trees) => batchOf(sequences, trees));
}

function batchOf(sequences: readonly Sequence[], trees: readonly Tree[]): SequenceBatch {
  const { trunk, branches, branch } = paddedShape(trees);
  const trunkIds: number[] = [];
  const branchIds: number[] = [];
  const positions: number[] = [];
  const rows: number[] = [];
  const items: number[] = [];
  const offsets: number[] = [];
  const completionIds: number[] = [];
  trees.forEach((tree, t) => {
    const prompt = sequences[tree.items[0] ?? 0]?.promptIds ?? [];
    const shared = prompt.length - 1;
    const last = prompt[shared] ?? paddingId;
    // What is padded may stand anywhere in the context.
    for (let i = 0; i < branch; i++) positions.push(shared + Math.min(i, tree.branch - 1));
    for (let p = 0; p < trunk; p++) trunkIds.push(p < shared ? (prompt[p] ?? paddingId) : paddingId);
    for (let g = 0; g < branches; g++) {
      const item = tree.items[g];
      const completion = item === undefined ? [] : (sequences[item]?.completionIds ?? []);
      const first = trees.length * trunk + (t * branches + g) * branch;
      for (let i = 0; i < branch; i++) {
        branchIds.push(i === 0 ? last : i < completion.length ? (completion[i - 1] ?? paddingId) : paddingId);
      }
      if (item === undefined) continue;
      items.push(item);
      offsets.push(completionIds.length);
      completion.forEach((id, i) => {
        completionIds.push(id);
        rows.push(first + i);
      });
    }
  });
  const count = trees.length;
  const paddedIds = [...trunkIds, ...branchIds];
  const lengths = trees.map((tree) => tree.trunk);
  return {
    items,
    completionIds,
    offsets,
    paddedIds,
    shape: { length: trunk + branch, tokens: paddedIds.length, rows: rows.length },
    trunk,
    feeds: {
      [sequenceInputs.trunkIds]: idTensor(trunkIds, [count, trunk]),
      [sequenceInputs.trunkLengths]: idTensor(lengths, [count, 1]),
      [sequenceInputs.branchIds]: idTensor(branchIds, [count, branches, branch]),
      [sequenceInputs.branchPositions]: idTensor(positions, [count, branch]),
      [sequenceInputs.rows]: idTensor(rows, [rows.length]),
    },
  };
}

/** What is wrong with a sequence of this model: an id outside the vocabulary, or more tokens than the context holds. */
export function sequenceViolation(
  { promptIds, completionIds }: Sequence,
  config: Pick<ModelConfig, 'vocabularySize' | 'contextWindow'>,
): string | undefined {
  if (promptIds.length === 0) return 'the prompt is empty';
  if (completionIds.length === 0) return 'the completion is empty';
  const total = promptIds.length + completionIds.length;
  if (total > config.contextWindow)
    return `prompt and completion have ${total} tokens, the context window holds ${config.contextWindow}`;
  const foreign = [...promptIds, ...completionIds].find((id) => !isId(id, config.vocabularySize));
  return foreign === undefined ? undefined : `${foreign} is not an id in [0, ${config.vocabularySize})`;
}

/** Whether a number is a token id. */
export function isId(id: number, vocabularySize: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < vocabularySize;
}

/** Any id serves: nothing looks at a padded position. */
const paddingId = 0;
