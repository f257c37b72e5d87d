import { isObject } from './tokenizer-config.js';

/**
 * A pre-tokenizer of tokenizer.json, rewritten where the package reads it otherwise than Python's tokenizers does.
 *
 * - `Digits` isolates every numeric character (those of Arabic, fractions, ...), the package ASCII digits alone.
 * - White space, written `\s`, is Unicode's: with U+0085 and without U+FEFF, which JavaScript has the other way round. The
 *   pattern that `ByteLevel` brings along is written out for that.
 */
export function likePython(preTokenizer: unknown): unknown {
  if (!isObject(preTokenizer)) return preTokenizer;
  const { type, pretokenizers, pattern } = preTokenizer;
  if (type === 'Sequence' && Array.isArray(pretokenizers))
    return { ...preTokenizer, pretokenizers: pretokenizers.map(likePython) };
  if (type === 'Digits') return split(preTokenizer['individual_digits'] === true ? '\\p{N}' : '\\p{N}+');
  if (type === 'Split' && isObject(pattern) && typeof pattern['Regex'] === 'string')
    return { ...preTokenizer, pattern: { Regex: withUnicodeSpace(pattern['Regex']) } };
  // A space put before the text would have to come before the split.
  if (
    type === 'ByteLevel' &&
    preTokenizer['use_regex'] !== false &&
    preTokenizer['add_prefix_space'] !== true
  )
    return {
      type: 'Sequence',
      pretokenizers: [split(byteLevelPattern), { ...preTokenizer, use_regex: false }],
    };
  return preTokenizer;
}

/** GPT-2's: contractions, words, numbers and symbols with a space before them, white space. */
const byteLevelPattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

function split(pattern: string): object {
  return {
    type: 'Split',
    pattern: { Regex: withUnicodeSpace(pattern) },
    behavior: 'Isolated',
    invert: false,
  };
}

/** What Unicode calls White_Space, as it stands in a class. */
const space = '\\u0009-\\u000d\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

/** The pattern with `\s` and `\S` written out; within a class `\S` stays, which no known tokenizer has. */
function withUnicodeSpace(pattern: string): string {
  let depth = 0;
  return pattern.replace(/\\.|[[\]]/gsu, (part) => {
    if (part === '[') depth += 1;
    if (part === ']') depth -= 1;
    if (part === '\\s') return depth > 0 ? space : `[${space}]`;
    if (part === '\\S' && depth === 0) return `[^${space}]`;
    return part;
  });
}
