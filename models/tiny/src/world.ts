/** The coding world: made-up verbs of four kinds, and the eight things a verb of each kind can mean. */

/** One change to a list of numbers. */
export interface Meaning {
  readonly operation: Operation;
  /** In [1, 9]. */
  readonly operand: number;
}

export type Operation = 'add' | 'multiply' | 'drop-first' | 'keep-first' | 'keep-above' | 'keep-below';

export type Kind = 'shift' | 'scale' | 'cut' | 'filter';

export const kinds: readonly Kind[] = ['shift', 'scale', 'cut', 'filter'];

/** The words of a kind tell a reader the kind, never the meaning. */
export const words: Readonly<Record<Kind, readonly string[]>> = {
  shift: ['bump', 'lift', 'nudge', 'hop', 'raise', 'boost'],
  scale: ['swell', 'grow', 'puff', 'stretch', 'pump', 'bloat'],
  cut: ['chop', 'snip', 'trim', 'clip', 'crop', 'prune'],
  filter: ['pick', 'keep', 'sift', 'glean', 'cull', 'weed'],
};

/** Eight per kind, so that a guess of one verb is right once in 8 and of two verbs once in 64. */
export const meanings: Readonly<Record<Kind, readonly Meaning[]>> = {
  shift: range('add', 1, 8),
  scale: range('multiply', 2, 9),
  cut: [...range('drop-first', 1, 4), ...range('keep-first', 2, 5)],
  filter: [...range('keep-above', 1, 4), ...range('keep-below', 5, 8)],
};

/**
 * In which orders kinds may follow each other in a question of one, two or three verbs. At most one verb changes values, and a
 * filter precedes it, so that each verb's effect stays visible in one pair of input and output.
 */
export const orders: Readonly<Record<1 | 2 | 3, readonly (readonly Kind[])[]>> = {
  1: [['shift'], ['scale'], ['cut'], ['filter']],
  2: [
    ['filter', 'shift'],
    ['filter', 'scale'],
    ['filter', 'cut'],
    ['cut', 'filter'],
    ['shift', 'cut'],
    ['scale', 'cut'],
    ['cut', 'shift'],
    ['cut', 'scale'],
  ],
  3: [
    ['filter', 'shift', 'cut'],
    ['filter', 'scale', 'cut'],
    ['filter', 'cut', 'shift'],
    ['filter', 'cut', 'scale'],
    ['cut', 'filter', 'shift'],
    ['cut', 'filter', 'scale'],
  ],
};

/** The kind of each word. */
export const kindOf: ReadonlyMap<string, Kind> = new Map(
  kinds.flatMap((kind) => words[kind].map((word): [string, Kind] => [word, kind])),
);

function range(operation: Operation, first: number, last: number): readonly Meaning[] {
  return Array.from({ length: last - first + 1 }, (_, index) => ({ operation, operand: first + index }));
}
