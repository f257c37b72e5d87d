/** Reads the options out of a prompt, and writes them into one. */
import type { Option } from './science-task.js';

/** Letters are A to Z. */
export const mostOptions = 26;

/** The letter of the option at a place, counted from 0. */
const letterAt = (place: number): string => String.fromCharCode('A'.charCodeAt(0) + place);

/** Options with their letters, from A on. */
export const withLetters = (texts: readonly string[]): readonly Option[] =>
  texts.map((text, place) => ({ letter: letterAt(place), text }));

/** One `LETTER: text` a line. */
export const optionLines = (options: readonly Option[]): string =>
  options.map(({ letter, text }) => `${letter}: ${text}`).join('\n');

/**
 * The options that a prompt ends with: lines that begin `A:`, `B:` and so on, in this order. A line of another kind
 * belongs to the option above it, except in the last one. What looks like options earlier in the question is not taken:
 * of several lists the last counts. Empty when there is none.
 */
export function readOptions(prompt: string): readonly Option[] {
  let options: Option[] = [];
  for (const found of prompt.matchAll(/^[ \t]*([A-Z]):[ \t]*(.*)$/gm)) {
    const [, letter = '', text = ''] = found;
    if (letter === 'A') options = [];
    if (letter === letterAt(options.length)) options.push({ letter, text: text.trim() });
  }
  return options;
}
