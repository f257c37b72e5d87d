/** Mutants of a Python program: the same program with one thing changed, which tests worth their name should notice. */
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { mersenne } from 'pure-rand/generator/mersenne';

/** Strings and comments, which stay as they are; then what is changed, one group a kind. */
const token =
  /("""[^]*?"""|'''[^]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|#[^\n]*)|(?<![\w.])(\d+)(?![\w.])|(\*\*|\/\/|[=!<>]=|[-+*<>](?!=))|\b(and|or|True|False|min|max|not)\b|(\breturn\b[^\n;]+)/g;

const swapped: Readonly<Record<string, string>> = {
  '==': '!=',
  '!=': '==',
  '<=': '>',
  '>=': '<',
  '<': '>=',
  '>': '<=',
  '+': '-',
  '-': '+',
  '*': '+',
  '**': '*',
  '//': '*',
  and: 'or',
  or: 'and',
  True: 'False',
  False: 'True',
  min: 'max',
  max: 'min',
  not: '',
};

/** So many mutants of a program, in an order that the seed decides; those that return nothing come last. */
export function mutantsOf(source: string, count: number, seed: number): readonly string[] {
  const sites = [...source.matchAll(token)].flatMap((match) => mutate(source, match));
  const small = shuffled(
    sites.filter(({ whole }) => !whole),
    seed,
  );
  const whole = sites.filter((site) => site.whole).reverse();
  return [...small.slice(0, Math.max(0, count - 1)), ...whole].slice(0, count).map(({ mutant }) => mutant);
}

interface Site {
  readonly mutant: string;
  /** The whole returned value is gone, not a part of it changed. */
  readonly whole: boolean;
}

function mutate(source: string, match: RegExpExecArray): readonly Site[] {
  const [text, kept, numeral, operator, word, returned] = match;
  if (kept !== undefined) return [];
  const replace = (by: string, at = match.index, length = text.length): string =>
    source.slice(0, at) + by + source.slice(at + length);
  if (numeral !== undefined) return [{ mutant: replace(String(BigInt(numeral) + 1n)), whole: false }];
  if (returned !== undefined) {
    const start = match.index + 'return'.length;
    const inner = [...returned.slice('return'.length).matchAll(token)].flatMap((part) => {
      const [partText, , partNumeral, partOperator, partWord] = part;
      const by =
        partNumeral === undefined
          ? swapped[partOperator ?? partWord ?? '']
          : String(BigInt(partNumeral) + 1n);
      return by === undefined
        ? []
        : [{ mutant: replace(by, start + part.index, partText.length), whole: false }];
    });
    return [...inner, { mutant: replace('return None'), whole: true }];
  }
  const by = swapped[operator ?? word ?? ''];
  return by === undefined ? [] : [{ mutant: replace(by), whole: false }];
}

function shuffled<Item>(items: readonly Item[], seed: number): readonly Item[] {
  const random = mersenne(seed);
  const left = [...items];
  return items.flatMap(() => left.splice(uniformInt(random, 0, left.length - 1), 1));
}
