import { isObject } from './tokenizer-config.js';

/**
 * A pre-tokenizer of tokenizer.json, rewritten where the package reads it otherwise than Python's tokenizers does.
 *
 * - `Digits` isolates every numeric character (those of Arabic, fractions, ...), the package ASCII digits alone.
 * - The pattern that `ByteLevel` brings along has Unicode's white space, the package JavaScript's: without U+0085 and with
 *   U+FEFF. In the pattern of a `Split` the package has it right.
 */
export function likePython(preTokenizer: unknown): unknown {
  if (!isObject(preTokenizer)) return preTokenizer;
  const { type, pretokenizers, individual_digits, use_regex, add_prefix_space } = preTokenizer;
  if (type === 'Sequence' && Array.isArray(pretokenizers))
    return { ...preTokenizer, pretokenizers: pretokenizers.map(likePython) };
  if (type === 'Digits') return split(individual_digits === true ? '\\p{N}' : '\\p{N}+');
  // A space put before the text would have to come before the split.
  if (type === 'ByteLevel' && use_regex !== false && add_prefix_space === false)
    return {
      type: 'Sequence',
      pretokenizers: [split(byteLevelPattern), { ...preTokenizer, use_regex: false }],
    };
  return preTokenizer;
}

/** GPT-2's: contractions, words, numbers and symbols with a space before them, white space. */
const byteLevelPattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

function split(pattern: string): object {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
}
