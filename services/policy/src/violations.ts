/** Checks of single fields, each naming the field as the proto does. */
import { numberProblems, type Bounds } from '@backsight/sdpo';
import type { Violation } from '@backsight/rpc';

/** The violation of a number outside its bounds or not finite; none when the field is unset. */
export function numberViolations(
  field: string,
  value: number | undefined,
  bounds: Bounds,
): readonly Violation[] {
  return numberProblems(field, value, bounds).map(({ problem }) => ({ field, description: problem }));
}

/** A field path of the code as the proto spells it: `policyGradient.clipLow` is `policy_gradient.clip_low`. */
export function protoField(path: string): string {
  return path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The violation of a list of token ids that is empty or holds an id outside the vocabulary. */
export function idViolations(
  field: string,
  ids: readonly number[],
  vocabularySize: number,
): readonly Violation[] {
  if (ids.length === 0) return [{ field, description: 'must hold at least one token id, is empty' }];
  return vocabularyViolations(field, ids, vocabularySize);
}

/** The violation of the first id outside the vocabulary, if any. */
export function vocabularyViolations(
  field: string,
  ids: readonly number[],
  vocabularySize: number,
): readonly Violation[] {
  const position = ids.findIndex((id) => id >= vocabularySize);
  if (position < 0) return [];
  return [
    {
      field,
      description: `id ${ids[position] ?? 0} at position ${position} is not in [0, ${vocabularySize})`,
    },
  ];
}

/** The violation of a prompt and completion that do not fit into the context together. */
export function contextViolations(
  field: string,
  promptLength: number,
  completionLength: number,
  contextWindow: number,
): readonly Violation[] {
  const total = promptLength + completionLength;
  if (total <= contextWindow) return [];
  const lengths = `a prompt of ${promptLength} and a completion of ${completionLength} tokens`;
  return [{ field, description: `${lengths} make ${total}; the context window holds ${contextWindow}` }];
}
